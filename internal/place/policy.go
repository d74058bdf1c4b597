package place

// maxFile: the largest City databases sold are a few hundred megabytes. Beyond it
// somebody named the wrong file, and it would fill the memory.
const maxFile = 1 << 30

// firstNetworks: how many records may be without a name before the whole file
// counts as one of something else. It takes milliseconds.
const firstNetworks = 10_000

// maxName is in characters: "South Georgia and the South Sandwich Islands" has 44,
// and cities hardly more.
const maxName = 64
