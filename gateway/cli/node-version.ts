/** What package.json's `engines` says. */
const [MAJOR, MINOR] = [20, 19];

// Imported before all else: under an older Node, a library that needs this one ends the program in words of its own.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < MAJOR || (major === MAJOR && minor < MINOR)) {
  process.stderr.write(`comfyui-jobstream needs Node ${MAJOR}.${MINOR} or newer; this is ${process.versions.node}\n`);
  process.exit(1);
}
