/** How people call the command line. It is not installed on their PATH, so every hint that names a command begins with this. */
export const CLI = 'npx holdpoint'
