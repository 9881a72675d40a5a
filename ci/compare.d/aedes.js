// aedes on 127.0.0.1, until SIGTERM.
//
// usage: node ci/compare.d/aedes.js --port-file FILE     on a free port; 127.0.0.1:PORT is written to FILE when it listens
//        node ci/compare.d/aedes.js --port PORT

const fs = require("fs");
const net = require("net");
const aedes = require("aedes")();

const [option, value] = process.argv.slice(2);
if (!["--port-file", "--port"].includes(option) || value === undefined) {
  console.error("usage: node ci/compare.d/aedes.js --port-file FILE | --port PORT");
  process.exit(2);
}
const server = net.createServer(aedes.handle);
server.listen(option === "--port" ? Number(value) : 0, "127.0.0.1", () => {
  if (option === "--port-file") fs.writeFileSync(value, `127.0.0.1:${server.address().port}\n`);
});
process.on("SIGTERM", () => process.exit(0));
