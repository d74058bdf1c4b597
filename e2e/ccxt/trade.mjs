// A bot's day: its clock, its money, an order placed, found in the list, taken out again, and gone from the list.

import { client, order, plan, say } from './exchange.mjs';

const exchange = client();
const time = exchange.has.fetchTime ? await exchange.fetchTime() : 0;
const balance = await exchange.fetchBalance();
const placed = await exchange.createOrder(...order);
const before = await exchange.fetchOpenOrders(plan.symbol);
await exchange.cancelOrder(placed.id, plan.symbol);
const after = await exchange.fetchOpenOrders(plan.symbol);
const seen = ({ id, symbol, side, type, price, amount, status }) => ({ id, symbol, side, type, price, amount, status });
say({ time, btc: balance.BTC.total, placed: placed.id, before: before.map(seen), after: after.map(seen) });
