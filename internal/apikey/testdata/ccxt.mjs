// Asks ccxt what it makes of each answer of ccxt-4.5.84.txt, by the functions that it
// calls itself on every answer, and writes the class of the error into the row.
// usage: node ccxt.mjs PATH/ccxt/js/ccxt.js ccxt-4.5.84.txt
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [lib, file] = process.argv.slice(2);
const ccxt = (await import(pathToFileURL(lib))).default;
const classes = { "coinbase-exchange": "coinbaseexchange", "cdp-jwt": "coinbase" };

function taken(profile, status, body) {
  const said = new Set();
  for (const before of [false, true]) { // a binance that has let us in once is taken otherwise
    const exchange = new ccxt[classes[profile] ?? profile]();
    exchange.options.hasAlreadyAuthenticatedSuccessfully = before;
    const url = "https://api.example.com/private/order";
    let name = "nothing";
    try {
      const parsed = exchange.parseJson(body);
      if (exchange.handleErrors(status, "", url, "POST", {}, body, parsed, {}, "") === undefined) {
        exchange.handleHttpStatusCode(status, "", url, "POST", body);
      }
    } catch (e) {
      name = e.constructor.name + (e instanceof ccxt.OperationFailed ? ", again" : "");
    }
    said.add(name);
  }
  return [...said].join("; ");
}

const rows = readFileSync(file, "utf8").trimEnd().split("\n").map((line) => {
  const [profile, code, , status, body] = line.split("\t");
  return [profile, code, taken(profile, Number(status), body), status, body].join("\t");
});
writeFileSync(file, rows.join("\n") + "\n");
