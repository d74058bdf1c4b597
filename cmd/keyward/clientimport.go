package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"keyward/internal/oauth"
)

// clientImportCmd registers the apps of a file. An app goes by owner and name: one
// that is there already and on stays as it is, so the command can run again. Two
// operators who import at one time may register an app twice; the list shows both.
type clientImportCmd struct {
	File string `arg:"" type:"existingfile" help:"JSON: {\"clients\": [{\"name\", \"owner\", \"auth\", \"redirects\", \"scopes\", \"jwks\", \"profile\", …}]}."`
}

// importedClient is an app in such a file. The names are those of the command line.
type importedClient struct {
	Name               string          `json:"name"`
	Owner              string          `json:"owner"`
	Auth               string          `json:"auth"`
	JWKS               json.RawMessage `json:"jwks"`
	FirstParty         bool            `json:"first_party"`
	Redirects          []string        `json:"redirects"`
	Scopes             []string        `json:"scopes"`
	Audience           string          `json:"audience"`
	Purpose            string          `json:"purpose"`
	Profile            string          `json:"profile"`
	Details            []string        `json:"details"`
	BackchannelLogout  string          `json:"backchannel_logout"`
	PostLogoutRedirect []string        `json:"post_logout_redirect"`
}

func (n importedClient) client() oauth.NewClient {
	return oauth.NewClient{
		Name: n.Name, Owner: n.Owner, Auth: n.Auth, JWKS: n.JWKS, FirstParty: n.FirstParty, Redirects: n.Redirects, Scopes: n.Scopes, Audience: n.Audience,
		Purpose: n.Purpose, Profile: n.Profile, Details: n.Details, Backchannel: n.BackchannelLogout, AfterLogout: n.PostLogoutRedirect,
	}
}

// readClients refuses a member that it does not know: a misspelt "profile" would
// register an app with less than its file asks for.
func readClients(name string) ([]importedClient, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var in struct {
		Clients []importedClient `json:"clients"`
	}
	dec := json.NewDecoder(f)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s: something follows the clients", name)
	}
	if len(in.Clients) == 0 {
		return nil, errors.New(name + ": no clients")
	}
	return in.Clients, nil
}

func (a *clientImportCmd) Run(e *env) error {
	clients, err := readClients(a.File)
	if err != nil {
		return err
	}
	return e.open(func(c *core, d *domains) error {
		there, err := d.oauth.Clients(e.ctx)
		if err != nil {
			return err
		}
		var rows [][]string
		var failed error
		for _, n := range clients {
			i := slices.IndexFunc(there, func(x oauth.Client) bool { return x.Name == n.Name && x.Owner == n.Owner && !x.Off })
			if i >= 0 {
				rows = append(rows, []string{n.Name, string(there[i].ID), "", "there"})
				continue
			}
			made, secret, err := d.oauth.Register(e.ctx, e.cause(), n.client())
			if err != nil {
				failed = fmt.Errorf("%q: %w", n.Name, err)
				break
			}
			there = append(there, made)
			rows = append(rows, []string{n.Name, string(made.ID), secret, "new"})
		}
		// Also after a failure: the secrets of those before it are shown this once.
		return errors.Join(e.table([]string{"name", "client_id", "client_secret", "state"}, rows), failed)
	})
}
