// What every script needs: its plan, a ccxt that calls the gate, and a way to say what came of it.

import { readFileSync } from 'node:fs';
import ccxt from 'ccxt';

/** Which exchange, where it is, and its keys. */
export const plan = JSON.parse(readFileSync(process.argv[2], 'utf8'));

/** A client as a bot makes it. Its addresses change places, and nothing else does. */
export function client({ key, secret, passphrase } = plan.good) {
  const exchange = new ccxt[plan.exchange]({ apiKey: key, secret, password: passphrase || undefined });
  exchange.urls.api = moved(exchange.urls.api);
  return exchange;
}

/** An address of the exchange, or a tree of them, at the gate. */
export function moved(address) {
  if (typeof address === 'string') return address.replace(/^https?:\/\/[^/]*/, plan.base).replace(/^wss:\/\/[^/]*/, plan.base.replace('http', 'ws'));
  return Object.fromEntries(Object.entries(address).map(([name, value]) => [name, moved(value)]));
}

/** The order that all scripts place: far below any price, so that it stays open. */
export const order = [plan.symbol, 'limit', 'buy', 0.001, 30000];

/** What ccxt threw, and whether a bot takes it for something to send again; "" when it threw nothing. */
export async function thrown(attempt) {
  try {
    await attempt();
    return { class: '', again: false, text: '' };
  } catch (error) {
    return { class: error.constructor.name, again: error instanceof ccxt.OperationFailed, text: error.message };
  }
}

/** The version of the package. What ccxt says of itself, ccxt.version, can be that of a release before. */
const { version } = JSON.parse(readFileSync(new URL('node_modules/ccxt/package.json', import.meta.url), 'utf8'));

/** Says what came of a script, as one line of JSON. */
export const say = (what) => process.stdout.write(`${JSON.stringify({ version, ...what })}\n`);
