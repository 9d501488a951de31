// Loaded by every Node program that a page shows: a connection off this machine fails, and is put on record.
const fs = require("node:fs");
const net = require("node:net");

const local = (host) => host === undefined || host === "localhost" || host === "::1" || host.startsWith("127.");
const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...given) {
  const first = Array.isArray(given[0]) ? given[0][0] : given[0];
  const options = typeof first === "object" ? first : { port: first, host: given[1] };
  if (!options.path && !local(options.host ?? undefined)) {
    fs.appendFileSync(process.env.TEST_STRAYED, `${options.host}\n`);
    throw new Error(`${options.host} is not this machine`);
  }
  return connect.apply(this, given);
};
