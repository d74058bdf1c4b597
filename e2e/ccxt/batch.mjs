// Two orders in one request.

import { client, plan, say } from './exchange.mjs';

const exchange = client();
const two = [0.001, 0.002].map((amount) => ({ symbol: plan.symbol, type: 'limit', side: 'buy', amount, price: 30000 }));
const placed = await exchange.createOrders(two);
const before = await exchange.fetchOpenOrders(plan.symbol);
for (const { id } of placed) await exchange.cancelOrder(id, plan.symbol);
const after = await exchange.fetchOpenOrders(plan.symbol);
say({ ids: placed.map(({ id }) => id), before: before.map(({ id, amount }) => ({ id, amount })), after });
