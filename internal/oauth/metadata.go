package oauth

// Metadata is what clients configure themselves by (RFC 8414 §2, OIDC Discovery §3).
type Metadata struct {
	Issuer             string   `json:"issuer"`
	Authorize          string   `json:"authorization_endpoint"`
	Token              string   `json:"token_endpoint"`
	PAR                string   `json:"pushed_authorization_request_endpoint"`
	UserInfo           string   `json:"userinfo_endpoint"`
	JWKS               string   `json:"jwks_uri"`
	Revoke             string   `json:"revocation_endpoint"`
	Introspect         string   `json:"introspection_endpoint"`
	IntrospectAlgs     []string `json:"introspection_signing_alg_values_supported"`
	EndSession         string   `json:"end_session_endpoint"`
	Backchannel        bool     `json:"backchannel_logout_supported"`
	BackchannelSession bool     `json:"backchannel_logout_session_supported"`
	Scopes             []string `json:"scopes_supported"`
	ResponseTypes      []string `json:"response_types_supported"`
	ResponseModes      []string `json:"response_modes_supported"`
	GrantTypes         []string `json:"grant_types_supported"`
	ACR                []string `json:"acr_values_supported"`
	Subjects           []string `json:"subject_types_supported"`
	IDAlgs             []string `json:"id_token_signing_alg_values_supported"`
	Auth               []string `json:"token_endpoint_auth_methods_supported"`
	AuthAlgs           []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevokeAuth         []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectAuth     []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectAuthAlgs []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	PKCE               []string `json:"code_challenge_methods_supported"`
	DPoPAlgs           []string `json:"dpop_signing_alg_values_supported"`
	Claims             []string `json:"claims_supported"`
	Languages          []string `json:"ui_locales_supported"`
	Iss                bool     `json:"authorization_response_iss_parameter_supported"`
	RequestParameter   bool     `json:"request_parameter_supported"`
	RequestURI         bool     `json:"request_uri_parameter_supported"`
	ClaimsParameter    bool     `json:"claims_parameter_supported"`
	DetailTypes        []string `json:"authorization_details_types_supported"`
}

// Metadata describes this server. It promises nothing that is not there.
func (s *Service) Metadata(dpopAlgs []string) Metadata {
	at := func(path string) string { return s.mint.Issuer() + path }
	auth := []string{AuthNone, AuthSecret, AuthKey}
	confidential := []string{AuthSecret, AuthKey}
	return Metadata{
		Issuer: s.mint.Issuer(), Authorize: at("/oauth/authorize"), Token: at("/oauth/token"), PAR: at("/oauth/par"), UserInfo: at("/oauth/userinfo"), JWKS: at("/oauth/jwks"),
		Revoke: at("/oauth/revoke"), Introspect: at("/oauth/introspect"), IntrospectAlgs: []string{"ES256"},
		EndSession: at("/oauth/logout"), Backchannel: true, BackchannelSession: true, Scopes: Scopes(),
		ResponseTypes: []string{"code"}, ResponseModes: []string{"query"}, GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"},
		ACR: []string{"phr", "phrh"}, Subjects: []string{"public"}, IDAlgs: []string{"ES256"},
		Auth: auth, AuthAlgs: []string{"ES256", "EdDSA"}, RevokeAuth: auth, IntrospectAuth: confidential, IntrospectAuthAlgs: []string{"ES256", "EdDSA"},
		PKCE: []string{"S256"}, DPoPAlgs: dpopAlgs,
		Claims:    []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash", "email", "email_verified"},
		Languages: []string{"en", "ko"}, Iss: true, DetailTypes: DetailTypes(),
	}
}
