package demo

import (
	"keyward/internal/config"
	"keyward/internal/gate"
)

// ShapeRoutes are the ways in which the demo exchange speaks to clients of binance, okx,
// bybit, kraken and upbit. A key that is limited to some markets names them as the
// exchange of its profile does: BTCUSDT, BTC-USDT, XBTUSDT, KRW-BTC.
func ShapeRoutes() []config.GateRoute {
	return []config.GateRoute{
		{Method: "GET", Path: "/api/v3/time", Scope: gate.Public},
		{Method: "GET", Path: "/api/v3/exchangeInfo", Scope: gate.Public},
		{Method: "GET", Path: "/fapi/v1/exchangeInfo", Scope: gate.Public},
		{Method: "GET", Path: "/dapi/v1/exchangeInfo", Scope: gate.Public},
		{Method: "GET", Path: "/sapi/v1/capital/config/getall", Scope: "read.account"},
		{Method: "GET", Path: "/sapi/v1/margin/allPairs", Scope: "read.account"},
		{Method: "GET", Path: "/sapi/v1/margin/isolated/allPairs", Scope: "read.account"},
		{Method: "GET", Path: "/api/v3/account", Scope: "read.account"},
		{Method: "GET", Path: "/api/v3/openOrders", Scope: "read.orders"},
		{Method: "POST", Path: "/api/v3/order", Scope: "trade.spot", Symbol: "form:symbol"},
		{Method: "DELETE", Path: "/api/v3/order", Scope: "trade.cancel"},
		{Method: "GET", Path: "/ws-api/v3", Scope: "read.orders", Stream: true},

		{Method: "GET", Path: "/api/v5/public/time", Scope: gate.Public},
		{Method: "GET", Path: "/api/v5/public/instruments", Scope: gate.Public},
		{Method: "GET", Path: "/api/v5/asset/currencies", Scope: "read.account"},
		{Method: "GET", Path: "/api/v5/account/balance", Scope: "read.account"},
		{Method: "GET", Path: "/api/v5/trade/orders-pending", Scope: "read.orders"},
		{Method: "POST", Path: "/api/v5/trade/order", Scope: "trade.spot", Symbol: "body:instId"},
		{Method: "POST", Path: "/api/v5/trade/batch-orders", Scope: "trade.spot", Symbol: "each:instId"},
		{Method: "POST", Path: "/api/v5/trade/cancel-order", Scope: "trade.cancel"},
		{Method: "GET", Path: "/ws/v5/private", Scope: "read.orders", Stream: true},

		{Method: "GET", Path: "/v5/market/time", Scope: gate.Public},
		{Method: "GET", Path: "/v5/market/instruments-info", Scope: gate.Public},
		{Method: "GET", Path: "/v5/asset/coin/query-info", Scope: "read.account"},
		{Method: "GET", Path: "/v5/user/query-api", Scope: "read.account"},
		{Method: "GET", Path: "/v5/account/info", Scope: "read.account"},
		{Method: "GET", Path: "/v5/account/wallet-balance", Scope: "read.account"},
		{Method: "GET", Path: "/v5/order/realtime", Scope: "read.orders"},
		{Method: "GET", Path: "/v5/private", Scope: "read.orders", Stream: true},
		{Method: "POST", Path: "/v5/order/create", Scope: "trade.spot", Symbol: "body:symbol"},
		{Method: "POST", Path: "/v5/order/cancel", Scope: "trade.cancel"},

		{Method: "GET", Path: "/0/public/Time", Scope: gate.Public},
		{Method: "GET", Path: "/0/public/Assets", Scope: gate.Public},
		{Method: "GET", Path: "/0/public/AssetPairs", Scope: gate.Public},
		{Method: "POST", Path: "/0/private/BalanceEx", Scope: "read.account"},
		{Method: "POST", Path: "/0/private/OpenOrders", Scope: "read.orders"},
		{Method: "POST", Path: "/0/private/AddOrder", Scope: "trade.spot", Symbol: "form:pair"},
		{Method: "POST", Path: "/0/private/CancelOrder", Scope: "trade.cancel"},

		{Method: "GET", Path: "/upbit/v1/market/all", Scope: gate.Public},
		{Method: "GET", Path: "/upbit/v1/accounts", Scope: "read.account"},
		{Method: "GET", Path: "/upbit/v1/orders/open", Scope: "read.orders"},
		{Method: "POST", Path: "/upbit/v1/orders", Scope: "trade.spot", Symbol: "body:market"},
		{Method: "DELETE", Path: "/upbit/v1/order", Scope: "trade.cancel"},
	}
}
