// Package ccxt lets ccxt, the library that most trading bots are written with, trade on
// the demo exchange through a gate: as binance, okx, bybit, kraken and upbit, by its
// unified calls. Nothing of it is changed but the addresses it calls, and the clock of
// the one that is to be wrong. What it throws on each refusal is in docs/ccxt.md.
package ccxt
