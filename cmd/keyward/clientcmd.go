package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"keyward/internal/oauth"
)

// clientCmd is where operators register apps.
type clientCmd struct {
	Add    clientAddCmd    `cmd:"" help:"Register an app that may ask for access."`
	Import clientImportCmd `cmd:"" help:"Register the apps of a JSON file; those that are there stay."`
	List   clientListCmd   `cmd:"" help:"List the apps."`
	Off    clientOffCmd    `cmd:"" help:"Switch an app off; everything it holds ends."`
}

type clientAddCmd struct {
	Name       string        `required:"" help:"What people read when it asks."`
	Owner      string        `required:"" help:"Who answers for it."`
	Auth       string        `default:"none" enum:"none,client_secret_basic,private_key_jwt" help:"How it proves who it is: ${enum}."`
	Redirect   []string      `help:"An exact address to come back to; may stand several times."`
	Scope      []string      `help:"What it may ask for."`
	Audience   string        `help:"aud of its tokens; the issuer when left out."`
	FirstParty bool          `help:"The exchange's own: no consent page."`
	JWKS       string        `name:"jwks" type:"existingfile" help:"With private_key_jwt: a file with its public keys (RFC 7517)."`
	Life       time.Duration `default:"2160h" help:"The longest a grant may live."`
	Purpose    string        `help:"One sentence of the app's own: what it wants this for."`
	Profile    string        `default:"" enum:",fapi2" help:"fapi2: pushed requests, private_key_jwt and bound tokens only."`
	Details    []string      `help:"Types of authorization_details it may ask for (RFC 9396)."`

	BackchannelLogout  string   `placeholder:"URL" help:"Where it hears that somebody left (OIDC Back-Channel Logout)."`
	PostLogoutRedirect []string `placeholder:"URL" help:"An exact address to come back to after a sign-out that it began; may stand several times."`
}

func (a *clientAddCmd) Run(e *env) error {
	n := oauth.NewClient{
		Name: a.Name, Owner: a.Owner, Auth: a.Auth, FirstParty: a.FirstParty, Redirects: a.Redirect, Scopes: a.Scope, Audience: a.Audience, Life: a.Life,
		Purpose: a.Purpose, Profile: a.Profile, Details: a.Details, Backchannel: a.BackchannelLogout, AfterLogout: a.PostLogoutRedirect,
	}
	if a.JWKS != "" {
		raw, err := os.ReadFile(a.JWKS)
		if err != nil {
			return err
		}
		n.JWKS = raw
	}
	return e.open(func(c *core, d *domains) error {
		client, secret, err := d.oauth.Register(e.ctx, e.cause(), n)
		if err != nil {
			return err
		}
		if e.cli.JSON {
			return json.NewEncoder(e.stdout).Encode(map[string]string{"client_id": string(client.ID), "client_secret": secret})
		}
		fmt.Fprintf(e.stdout, "registered %s\n", client.ID)
		if secret != "" {
			fmt.Fprintf(e.stdout, "its secret, shown this once: %s\n", secret)
		}
		return nil
	})
}

type clientListCmd struct{}

func (*clientListCmd) Run(e *env) error {
	return e.look(func(c *core, d *domains) error {
		list, err := d.oauth.Clients(e.ctx)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, x := range list {
			state := "on"
			if x.Off {
				state = "off"
			}
			rows = append(rows, []string{string(x.ID), x.Name, x.Owner, x.Auth, strings.Join(x.Scopes, " "), state})
		}
		return e.table([]string{"id", "name", "owner", "auth", "scopes", "state"}, rows)
	})
}

type clientOffCmd struct {
	ID string `arg:"" help:"app_…"`
}

func (a *clientOffCmd) Run(e *env) error {
	return e.open(func(c *core, d *domains) error {
		ended, err := d.oauth.TurnOff(e.ctx, e.cause(), oauth.ClientID(a.ID))
		if err == nil {
			fmt.Fprintf(e.stdout, "off; %d grants ended\n", ended)
		}
		return err
	})
}
