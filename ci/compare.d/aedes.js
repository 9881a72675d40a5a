// aedes on a free port of 127.0.0.1, until SIGTERM.
//
// usage: node ci/compare.d/aedes.js --port-file FILE     127.0.0.1:PORT is written to FILE when it listens

const fs = require("fs");
const net = require("net");
const aedes = require("aedes")();

const [option, portFile] = process.argv.slice(2);
if (option !== "--port-file" || portFile === undefined) {
  console.error("usage: node ci/compare.d/aedes.js --port-file FILE");
  process.exit(2);
}
const server = net.createServer(aedes.handle);
server.listen(0, "127.0.0.1", () => {
  fs.writeFileSync(portFile, `127.0.0.1:${server.address().port}\n`);
});
process.on("SIGTERM", () => process.exit(0));
