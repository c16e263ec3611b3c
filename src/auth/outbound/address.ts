/**
 * Which addresses may be connected to on the word of somebody else, such as metadata that was discovered: only those of
 * the public internet. A library knows the special ranges (IANA's registries, RFC 6890); nothing is taken apart by hand.
 */
import ipaddr from 'ipaddr.js'

/** Global unicast is allotted from here alone (RFC 4291, section 2.4); the rest holds translations, tunnels and relics. */
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')

/** Whether this address is one of the public internet. What cannot be read is none. */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return false
  const address = ipaddr.parse(text)
  if (address instanceof ipaddr.IPv4) return address.range() === 'unicast'
  // The same host under another spelling.
  if (address.isIPv4MappedAddress()) return address.toIPv4Address().range() === 'unicast'
  return address.range() === 'unicast' && address.match(globalUnicast)
}

/** Whether the address lies in one of these networks. */
export function isWithin(text: string, networks: readonly string[]): boolean {
  if (!ipaddr.isValid(text)) return false
  // `process` gives an IPv4-mapped address back as the IPv4 address that it is.
  const address = ipaddr.process(text)
  return networks.some((network) => {
    const [base, bits] = ipaddr.parseCIDR(network)
    return base.kind() === address.kind() && address.match(base, bits)
  })
}
