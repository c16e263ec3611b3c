# The image of every Holdpoint process: gateway by default, a worker with another command. docker-compose.yml runs them all.

FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Without scripts: `prepare` would build before the sources are here.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY workers workers
RUN npm run build \
 && find dist -name '*.map' -delete && rm dist/.tsbuildinfo

FROM node:20-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# Optional ones are the embedded PostgreSQL, which a container has no use for, and native speed-ups with fallbacks.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:20-bookworm-slim
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=8484 \
    HOLDPOINT_CONFIG=/etc/holdpoint/holdpoint.yaml \
    HOLDPOINT_DATA=/var/lib/holdpoint
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY policies policies
RUN install -d -o node -g node /var/lib/holdpoint \
 && printf '#!/bin/sh\nexec node /app/dist/src/cli.js "$@"\n' > /usr/local/bin/holdpoint \
 && chmod 755 /usr/local/bin/holdpoint
USER node
EXPOSE 8484
HEALTHCHECK --interval=10s --timeout=4s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/readyz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/src/main.js"]
