// A bot that watches its orders: logs in, reads of its own order, hears that its key has ended, and is refused when it logs in again.

import ccxt from 'ccxt';
import { client, moved, order, plan, say, thrown } from './exchange.mjs';

const trader = client();
const { key, secret, passphrase } = plan.good;
const watcher = new ccxt.pro[plan.exchange]({ apiKey: key, secret, password: passphrase || undefined });
watcher.urls.api = moved(watcher.urls.api);
await watcher.loadHttpProxyAgent(); // it asks for this where an address is ws:// and not wss://
await watcher.loadMarkets();

const first = watcher.watchOrders(plan.symbol);
const later = setTimeout(() => trader.createOrder(...order), 500); // when it is subscribed
const [seen] = await first;
clearTimeout(later);
const ended = await thrown(() => watcher.watchOrders(plan.symbol));
const again = await thrown(() => watcher.watchOrders(plan.symbol));
await watcher.close();
say({ seen: { id: seen.id, status: seen.status, price: seen.price }, ended, again });
process.exit(0);
