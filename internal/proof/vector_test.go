package proof_test

import (
	"errors"
	"testing"
	"time"

	"keyward/internal/proof"
)

// The proofs of RFC 9449: §4.1 (figure 1) for a token request, §7.1 (figure 12) beside the access token.
const (
	rfcKey        = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" // §6.1, figure 9: cnf.jkt
	rfcTokenProof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
	rfcUseProof   = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
	rfcToken      = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
)

func TestProofsOfTheRFC(t *testing.T) {
	for _, c := range []struct {
		name, proof string
		want        proof.Want
		at          int64
		jti         string
		err         error
	}{
		{name: "4.1 token request", proof: rfcTokenProof, at: 1562262616, jti: "-BwC3ESc6acc2lTc",
			want: proof.Want{Method: "POST", URL: "https://server.example.com/token", JKT: rfcKey}},
		{name: "4.1 token request, a year later", proof: rfcTokenProof, at: 1562262616 + 31536000,
			want: proof.Want{Method: "POST", URL: "https://server.example.com/token"}, err: proof.ErrInvalid},
		{name: "7.1 resource request", proof: rfcUseProof, at: 1562262618, jti: "e1j3V_bKic8-LAEB",
			want: proof.Want{Method: "GET", URL: "https://resource.example.org/protectedresource", JKT: rfcKey, AccessToken: rfcToken}},
		{name: "7.1 resource request with another token", proof: rfcUseProof, at: 1562262618,
			want: proof.Want{Method: "GET", URL: "https://resource.example.org/protectedresource", AccessToken: rfcToken + "x"}, err: proof.ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := proof.VerifyDPoP(c.proof, c.want, time.Unix(c.at, 0))
			if !errors.Is(err, c.err) {
				t.Fatalf("error is %v, want %v", err, c.err)
			}
			if c.err == nil && (got.JKT != rfcKey || got.JTI != c.jti || got.IAT.Unix() != c.at) {
				t.Errorf("gave %+v", got)
			}
		})
	}
}
