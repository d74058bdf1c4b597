package web

import "time"

// Subs lists the parts an account is divided into.
//
//	GET /subaccounts
//	Links: /subaccounts/new, /subaccounts/{id}
type Subs struct {
	Base
	Open   []SubView // the oldest first
	Closed []SubView
}

func (*Subs) page() (string, string) { return "subs", "botkeys" }

// SubView is a sub-account as its owner knows it.
type SubView struct {
	ID        string
	Version   int64
	Name      string
	Status    string // active, frozen, emptying or closed
	Transfers string // none, to_main or both
	MaxKeys   int    // 0: no bound of its own
	PerMin    int
	Keys      int
	Used      time.Time // by any key; zero: never
	Made      time.Time
	Closed    time.Time
	Thaw      string // object of the touch that lets it work again; "" when it works
}

// Path is the page of the sub-account.
func (s SubView) Path() string { return "/subaccounts/" + s.ID }

// Says is the status in a word, What what it means.
func (s SubView) Says() Text {
	switch s.Status {
	case "active":
		return text("subs.status.active")
	case "frozen":
		return text("subs.status.frozen")
	case "emptying":
		return text("subs.status.emptying")
	}
	return text("subs.status.closed")
}

// What says what the keys of it may do.
func (s SubView) What() Text {
	switch s.Status {
	case "active":
		return text("subs.what.active")
	case "frozen":
		return text("subs.what.frozen")
	case "emptying":
		return text("subs.what.emptying")
	}
	return text("subs.what.closed")
}

// Rule says what its keys may move.
func (s SubView) Rule() Text {
	for _, r := range subRules {
		if r.Value == s.Transfers {
			return r.Name
		}
	}
	return subRules[0].Name
}

// SubFields is what was typed about a sub-account.
type SubFields struct {
	Name      string
	Transfers string
	MaxKeys   string
	PerMin    string
}

// SubRule is one of the rules to choose from.
type SubRule struct {
	Value     string
	Name, Why Text
}

var subRules = []SubRule{
	{"none", text("sub.transfers.none"), text("sub.transfers.none.why")},
	{"to_main", text("sub.transfers.to_main"), text("sub.transfers.to_main.why")},
	{"both", text("sub.transfers.both"), text("sub.transfers.both.why")},
}

// Rules lists them for the boxes.
func (*SubNew) Rules() []SubRule { return subRules }

// Rules lists them for the boxes.
func (*SubPage) Rules() []SubRule { return subRules }

// SubNew makes a sub-account.
//
//	GET  /subaccounts/new
//	POST /subaccounts/new  (name, transfers, max_keys?, per_min?)  act subs.make for exactly this one; 303 to it with a receipt
type SubNew struct {
	Base
	Form    SubFields
	Refused *KeyRefused
	Blocked bool // frozen or held: new power has to wait
}

func (*SubNew) page() (string, string) { return "sub-new", "botkeys" }

// SubPage is one sub-account: what it is, its keys, and the forms that change and stop it.
//
//	GET  /subaccounts/{id}
//	POST /subaccounts/{id}         (version, name, transfers, max_keys?, per_min?)  303 the same with a receipt; act subs.change when it widens
//	POST /subaccounts/{id}/freeze  ()
//	POST /subaccounts/{id}/empty   ()
//	POST /subaccounts/{id}/thaw    (version)  act subs.change
//	Links: /subaccounts/{id}/close, /keys/new?sub={id}
type SubPage struct {
	Base
	Sub     SubView
	Form    SubFields
	Keys    []BotKey
	Refused *KeyRefused
}

func (*SubPage) page() (string, string) { return "sub", "botkeys" }

// SubClose shows what stops when a sub-account is closed. Nothing has happened yet.
//
//	GET  /subaccounts/{id}/close
//	POST /subaccounts/{id}/close  ()  303 /subaccounts with a receipt
type SubClose struct {
	Base
	Sub  SubView
	Keys []BotKey
}

func (*SubClose) page() (string, string) { return "sub-close", "" }
