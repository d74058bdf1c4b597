// Command caddy is Caddy with the few modules that deploy/gate-Caddyfile needs, as a module
// of its own: no program of ours and no other test depends on it. scripts/setup.sh builds
// it into bin/caddy, and the tests of internal/gate run it. It owns nothing and changes
// nothing in Caddy.
package main
