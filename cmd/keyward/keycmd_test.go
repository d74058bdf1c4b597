package main

import (
	"context"
	"log/slog"
	"net/netip"

	"github.com/rogpeppe/go-internal/testscript"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/config"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// bot makes somebody with a passkey and an API key in the database of keyward.yaml.
// Their account becomes $ACCOUNT, the key $KEY, and a sub-account $SUB.
func bot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: bot")
	}
	ctx := context.Background()
	l, err := config.Load(ts.MkAbs("keyward.yaml"), []string{})
	ts.Check(err)
	// The file names its own folder; the script runs in it, this process does not.
	l.Config.Database.URL, l.Config.KeyFile, l.Config.AnchorFile = "sqlite:"+ts.MkAbs("data/keyward.db"), ts.MkAbs("data/keyward.key"), ts.MkAbs("data/keyward.anchor")
	c, err := openCore(ctx, l.Config, slog.New(slog.DiscardHandler))
	ts.Check(err)
	defer c.db.Close()
	d, err := c.domains(noMetrics, nil, botAlarms{})
	ts.Check(err)

	home := netip.MustParseAddr("203.0.113.9")
	browser := &softkey.Browser{Origin: "http://localhost:9", Keys: &softkey.Authenticator{}}
	from := signin.From{Cookie: device.NewCookie(), Agent: device.UserAgent{Browser: "Firefox", System: "Linux"}, Addr: home, Kind: session.Web}
	options, ticket, err := d.signin.BeginSignUp(ctx, "kim@example.org", "en")
	ts.Check(err)
	answer, err := browser.Create(options)
	ts.Check(err)
	in, err := d.signin.FinishSignUp(ctx, store.Cause{Actor: "anonymous", Addr: home}, ticket, answer, from)
	ts.Check(err)
	live, err := d.sessions.Check(ctx, in.Issued.Access, home, "")
	ts.Check(err)

	n, err := apikey.NewKey{Purpose: "Grid bot on my VPS", Public: softkey.NewBot("api.example.com").Public(), Scopes: apikey.ReadAccount, Partner: "Gridmaster"}.Checked()
	ts.Check(err)
	cause := store.Cause{Actor: "account:" + string(in.Account), Addr: home}
	options, err = d.signin.BeginStepUp(ctx, live.Session, n.Act())
	ts.Check(err)
	answer, err = browser.Get(options)
	ts.Check(err)
	iss, err := d.signin.FinishStepUp(ctx, cause, live.Session, n.Act(), answer, from)
	ts.Check(err)
	key, err := d.botKeys.Add(ctx, cause, apikey.By{Account: in.Account, Session: string(iss.Session), Device: live.Device, Agent: "Firefox on Linux", Addr: home.String()}, n)
	ts.Check(err)
	live, err = d.sessions.Check(ctx, iss.Access, home, "")
	ts.Check(err)
	form, err := account.SubForm{Name: "Market maker"}.Checked()
	ts.Check(err)
	act := contain.SubMakeAct(form)
	options, err = d.signin.BeginStepUp(ctx, live.Session, act)
	ts.Check(err)
	answer, err = browser.Get(options)
	ts.Check(err)
	iss, err = d.signin.FinishStepUp(ctx, cause, live.Session, act, answer, from)
	ts.Check(err)
	sub, err := d.contain.MakeSub(ctx, cause, apikey.By{Account: in.Account, Session: string(iss.Session), Device: live.Device, Agent: "Firefox on Linux", Addr: home.String()}, form)
	ts.Check(err)
	ts.Setenv("SUB", string(sub.ID))
	ts.Setenv("ACCOUNT", string(in.Account))
	ts.Setenv("KEY", string(key.ID))
}
