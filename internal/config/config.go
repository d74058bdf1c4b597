package config

import (
	"net/netip"
	"time"
)

// Config is the whole deployment. Field order is the order of the example
// file and of Print. A field tagged secret is never printed.
type Config struct {
	PublicURL string `yaml:"public_url"` // what people type; also the issuer of every token

	BrandName string `yaml:"brand_name"` // how the exchange calls itself in pages and mails

	SecurityContact string `yaml:"security_contact"` // where people who find a hole write to (RFC 9116)
	SecurityPolicy  string `yaml:"security_policy"`  // what they may do and expect

	RP             RP             `yaml:"rp"`
	Listen         Listen         `yaml:"listen"`
	Operators      Operators      `yaml:"operators"`
	TLS            TLS            `yaml:"tls"`
	BehindProxy    bool           `yaml:"behind_proxy"`
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"` // whose X-Forwarded-For is believed

	Database             Database `yaml:"database"`
	KeyFile              string   `yaml:"key_file"` // wraps every other secret
	KeyFileGroupReadable bool     `yaml:"key_file_group_readable"`
	KEK                  KEK      `yaml:"kek"`
	AnchorFile           string   `yaml:"anchor_file"` // copy of the audit log's head, outside the database

	SelfSignUp  bool        `yaml:"self_sign_up"` // may strangers open accounts here?
	Sessions    Sessions    `yaml:"sessions"`
	Mail        Mail        `yaml:"mail"`
	Backends    []Backend   `yaml:"backends"`
	StepUp      StepUp      `yaml:"step_up"`
	Confirm     Confirm     `yaml:"confirm"`
	Gate        Gate        `yaml:"gate"`
	Leaks       Leaks       `yaml:"leaks"`
	Languages   Languages   `yaml:"languages"`
	Attestation Attestation `yaml:"attestation"`
	Apps        Apps        `yaml:"apps"`
	PlaceFile   string      `yaml:"place_file"` // MaxMind DB; a place is a hint for people and decides nothing
	Limits      Limits      `yaml:"limits"`
	Log         Log         `yaml:"log"`
}

// RP is the relying party of WebAuthn: passkeys are bound to ID for good.
type RP struct {
	ID              string   `yaml:"id"`
	Name            string   `yaml:"name"`
	Origins         []string `yaml:"origins"`          // exact, "android:apk-key-hash:…" for apps
	OfficialDomains []string `yaml:"official_domains"` // shown on the page of official addresses; trusts nothing
}

// Attestation is how much is asked and known about where passkeys live.
type Attestation struct {
	Ask               string `yaml:"ask"`                 // none | indirect | direct
	MDSFile           string `yaml:"mds_file"`            // the FIDO Alliance's list of models, as downloaded
	AndroidStatusFile string `yaml:"android_status_file"` // Google's list of revoked certificates, as downloaded
	RulesFile         string `yaml:"rules_file"`          // what the operator relies on (KeyRules)
}

// Apps are the exchange's own apps on phones. A phone enrols with one of them or not at all.
type Apps struct {
	Android        []AndroidApp `yaml:"android"`
	IOS            []string     `yaml:"ios"`              // "TEAMID1234.com.example.app"
	AppAttest      string       `yaml:"app_attest"`       // production | development
	AppAttestEarns string       `yaml:"app_attest_earns"` // claimed | hardware
}

// AndroidApp is one app and who may have signed it.
type AndroidApp struct {
	Package string   `yaml:"package"`
	SHA256  []string `yaml:"sha256"` // of signing certificates, in hexadecimal; colons as keytool prints them are fine
}

// Listen has two doors: one for the world, one for operators' machines.
type Listen struct {
	Public     string `yaml:"public"`
	Ops        string `yaml:"ops"`
	OpsExposed bool   `yaml:"ops_exposed"` // allows Ops on an address other machines reach
}

// Operators is the door of those who work here. Without an address it stays shut.
type Operators struct {
	Listen string `yaml:"listen"`
	Origin string `yaml:"origin"` // what operators type; its host is their relying party
}

// TLS is for serving without a proxy in front.
type TLS struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// Database is sqlite:/dir/keyward.db or postgres://…
type Database struct {
	URL      string `yaml:"url" secret:"url"`
	URLFile  string `yaml:"url_file"`
	MaxConns int    `yaml:"max_conns"`
}

// KEK says which key wraps the root: the key file, or one that never comes here.
type KEK struct {
	Kind    string     `yaml:"kind"` // file | transit | pkcs11
	Transit KEKTransit `yaml:"transit"`
	PKCS11  KEKPKCS11  `yaml:"pkcs11"`
}

// KEKTransit is a key of OpenBao's or Vault's transit engine.
type KEKTransit struct {
	Address      string `yaml:"address"`
	CAFile       string `yaml:"ca_file"`
	Namespace    string `yaml:"namespace"`
	Mount        string `yaml:"mount"`
	Key          string `yaml:"key"`
	Login        string `yaml:"login"` // token | approle | kubernetes
	LoginMount   string `yaml:"login_mount"`
	TokenFile    string `yaml:"token_file"`
	RoleID       string `yaml:"role_id"`
	SecretIDFile string `yaml:"secret_id_file"`
	Role         string `yaml:"role"`
	JWTFile      string `yaml:"jwt_file"`
}

// KEKPKCS11 is a key of an HSM.
type KEKPKCS11 struct {
	Module  string `yaml:"module"`
	Token   string `yaml:"token"`
	Key     string `yaml:"key"`
	PINFile string `yaml:"pin_file"`
}

// Sessions are the lifetimes; session checks nothing else.
type Sessions struct {
	Access   time.Duration `yaml:"access"`
	Idle     time.Duration `yaml:"idle"`
	Absolute time.Duration `yaml:"absolute"`
	Remember time.Duration `yaml:"remember"`
	DBSC     string        `yaml:"dbsc"` // true | false: offer browsers to bind sessions to a key of the device
}

// Mail is the SMTP relay. Without a host no mail leaves, and doctor says so.
type Mail struct {
	Host         string `yaml:"host"`
	Port         int    `yaml:"port"`
	TLS          string `yaml:"tls"` // required | implicit | none (localhost only)
	Username     string `yaml:"username"`
	Password     string `yaml:"password" secret:"all"`
	PasswordFile string `yaml:"password_file"`
	From         string `yaml:"from"`
}

// Backend is a server of the exchange that talks to ours.
type Backend struct {
	ID           string   `yaml:"id"`
	SecretSHA256 string   `yaml:"secret_sha256" secret:"hash"` // of a long random secret; the secret itself is never here
	May          []string `yaml:"may"`
}

// What a back end may do. Nothing is implied by anything else.
const (
	MayProvision  = "provision"  // create accounts under the exchange's own ids, read their state
	MayIntrospect = "introspect" // ask whether a token is good
	MayEnd        = "end"        // end sessions and freeze: the safe direction
	MayConfirm    = "confirm"    // ask owners to approve withdrawals, and fetch the proofs
)

// Can says whether the back end was given a power.
func (b Backend) Can(power string) bool {
	for _, p := range b.May {
		if p == power {
			return true
		}
	}
	return false
}

// StepUp is what an operator demands of a touch, or of a sign-in, beyond any passkey. It
// only raises.
type StepUp struct {
	Acts   []StepUpAct   `yaml:"acts"`
	Scopes []StepUpScope `yaml:"scopes"`
}

// StepUpAct is for one act, or for all of a group ("botkeys").
type StepUpAct struct {
	Act string `yaml:"act"`
	ACR string `yaml:"acr"` // phr | phrh
}

// StepUpScope is for one scope of apps or right of API keys, or for all of a group ("trade").
type StepUpScope struct {
	Scope  string        `yaml:"scope"`
	ACR    string        `yaml:"acr"`     // phr | phrh
	MaxAge time.Duration `yaml:"max_age"` // since the owner's last user verification; apps only
}

// Confirm says what an approval of a withdrawal takes.
type Confirm struct {
	AddressHold time.Duration  `yaml:"address_hold"` // from when an address was first asked for
	Limits      []ConfirmLimit `yaml:"limits"`
}

// ConfirmLimit is for one asset. Amounts are decimal; empty means none.
type ConfirmLimit struct {
	Asset             string `yaml:"asset"`
	Small             string `yaml:"small"`               // any passkey is enough up to this, to an address past its hold
	SecondDeviceAbove string `yaml:"second_device_above"` // nothing but a second device is, above this
}

// Gate checks API keys in front of an exchange's own API. Without an address it is shut.
type Gate struct {
	Listen          string         `yaml:"listen"`
	Authority       string         `yaml:"authority"`         // the API's public name, as clients sign it
	Upstream        string         `yaml:"upstream"`          // where the API answers; "" for forward-auth alone
	UpstreamKeyFile string         `yaml:"upstream_key_file"` // shared with it: decisions are signed under this
	Audience        string         `yaml:"audience"`          // aud of access tokens; empty: https:// and authority
	KeyFile         string         `yaml:"key_file"`          // of a gate of its own: what opens API keys and nothing else
	Grace           time.Duration  `yaml:"grace"`             // how long looking and cancelling go on without a database
	Peers           []netip.Prefix `yaml:"peers"`             // fronts that may ask for forward-auth
	ExtAuthzListen  string         `yaml:"ext_authz_listen"`  // where Envoys ask over gRPC; "" for nowhere
	ExtAuthzBody    bool           `yaml:"ext_authz_body"`    // they hand the body over
	Profiles        []string       `yaml:"profiles"`          // ways of signing that are taken; none listed: all
	Routes          []GateRoute    `yaml:"routes"`
	Streams         GateStreams    `yaml:"streams"`
}

// GateStreams bound the WebSockets that one gate keeps open.
type GateStreams struct {
	Total  int `yaml:"total"`
	PerKey int `yaml:"per_key"`
}

// Leaks is how others tell of keys that they found.
type Leaks struct {
	GitHubKeysFile string `yaml:"github_keys_file"` // as GitHub publishes them; "": nobody speaks for it
}

// GateRoute says what one kind of request takes.
type GateRoute struct {
	Method string        `yaml:"method"`
	Path   string        `yaml:"path"`
	Scope  string        `yaml:"scope"`
	Takes  []string      `yaml:"takes"`   // of key, token, session; empty: key alone
	ACR    string        `yaml:"acr"`     // that a token or session has to reach
	MaxAge time.Duration `yaml:"max_age"` // since its person was last there
	Symbol string        `yaml:"symbol"`  // query:NAME or body:NAME
	Stream bool          `yaml:"stream"`  // a WebSocket is opened here

	To       string `yaml:"to"`       // where a transfer says where to
	Notional string `yaml:"notional"` // where an order says how much it trades
	Currency string `yaml:"currency"` // and in what
}

// Languages of pages and mails.
type Languages struct {
	Default string `yaml:"default"` // en | ko
}

// Limits are the bounds an operator may have to move.
type Limits struct {
	RateFactor     float64       `yaml:"rate_factor"`
	BodyBytes      int64         `yaml:"body_bytes"`
	RequestTimeout time.Duration `yaml:"request_timeout"`
}

// Log goes to standard error.
type Log struct {
	Level  string `yaml:"level"`  // debug | info | warn | error
	Format string `yaml:"format"` // text | json
}
