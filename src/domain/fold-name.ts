/** When two names are one name to somebody else: Go's encoding/json and others find the members of an object whatever their case. */

/** Up, then down: so the long s and the Kelvin sign meet the letters that other parsers take them for. */
export const foldName = (name: string): string =>
  plain.test(name) ? name.toLowerCase() : name.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC')

/** ASCII, where lower case is all there is to it. */
const plain = /^[\x20-\x7e]*$/
