package apikey

import "encoding/json"

// Welcome is what a client hears when its login was taken, in the words of its profile.
func (l *Login) Welcome(d *Decision) []byte {
	switch l.claim.Profile {
	case OKX:
		return inJSON(struct {
			Event string `json:"event"`
			Code  string `json:"code"`
			Msg   string `json:"msg"`
			Conn  string `json:"connId"`
		}{"login", "0", "", short(d.ID)})
	case Bybit:
		return inJSON(struct {
			Success bool            `json:"success"`
			Msg     string          `json:"ret_msg"`
			Op      string          `json:"op"`
			ReqID   json.RawMessage `json:"req_id,omitempty"`
			Conn    string          `json:"conn_id"`
		}{true, "", "auth", l.id, short(d.ID)})
	}
	type result struct {
		Key        string `json:"apiKey"`
		Authorized int64  `json:"authorizedSince"`
		Connected  int64  `json:"connectedSince"`
		Limits     bool   `json:"returnRateLimits"`
		Server     int64  `json:"serverTime"`
		UserData   bool   `json:"userDataStream"`
	}
	at := d.At.UnixMilli()
	return inJSON(struct {
		ID     json.RawMessage `json:"id"`
		Status int             `json:"status"`
		Result result          `json:"result"`
	}{orNull(l.id), 200, result{Key: l.claim.Key, Authorized: at, Connected: at, Server: at}})
}

// Refusal is what a client hears when its login was not taken. As in Tell, before the
// signature holds it is one word for all causes.
func (l *Login) Refusal(code Code, f Facts) []byte {
	row, ok := codes[code]
	if !ok {
		code, row = Unavailable, codes[Unavailable]
	}
	if code == AuthFailed {
		f = Facts{RequestID: f.RequestID, ServerAt: f.ServerAt}
	}
	says := line(code, row.says, f)
	w := words[l.claim.Profile][code]
	switch l.claim.Profile {
	case OKX:
		return inJSON(struct {
			Event string `json:"event"`
			Code  string `json:"code"`
			Msg   string `json:"msg"`
			Conn  string `json:"connId"`
		}{"error", okxLogin(code), says, "0"})
	case Bybit:
		// Clients that know numbers go by retCode, and those that do not by success.
		return inJSON(struct {
			Success bool            `json:"success"`
			Msg     string          `json:"ret_msg"`
			Code    json.Number     `json:"retCode"`
			Op      string          `json:"op"`
			ReqID   json.RawMessage `json:"req_id,omitempty"`
			Conn    string          `json:"conn_id"`
		}{false, says, json.Number(w.code), "auth", l.id, "0"})
	}
	type failure struct {
		Code json.Number `json:"code"`
		Msg  string      `json:"msg"`
	}
	return inJSON(struct {
		ID     json.RawMessage `json:"id"`
		Status int             `json:"status"`
		Error  failure         `json:"error"`
	}{orNull(l.id), w.status, failure{json.Number(w.code), says}})
}

// okxLogin is the number of a refusal on a socket of that exchange, where the numbers are
// others than in its answers to requests. A repeated login is no time that ran out: a
// client signs that anew and comes back, which ends nothing.
func okxLogin(code Code) string {
	switch code {
	case OutsideWindow:
		return "60006"
	case KeyExpired, KeyNotYet, KeyQuarantined, KeyInBrowser:
		return "60005"
	case RateLimited:
		return "60014"
	case Starting, Unavailable:
		return "63999"
	case BadRequest:
		return "60012"
	}
	return "60009"
}

func inJSON(v any) []byte { return []byte(told(0, v).Body) }

func orNull(id []byte) json.RawMessage {
	if id == nil {
		return json.RawMessage("null")
	}
	return id
}
