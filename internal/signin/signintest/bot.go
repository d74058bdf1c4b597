package signintest

import (
	"context"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/contain"
	"keyward/internal/softkey"
)

// API is the public name of the API that bots sign for.
const API = "api.example.com"

// By is this person's session as API keys know it.
func (p *Person) By() apikey.By {
	ses := p.Session()
	return apikey.By{Account: ses.Account, Session: string(ses.ID), Device: ses.Device, Agent: "Firefox on Linux", Addr: Home.String()}
}

// Bot makes an API key that was touched for, and the program that signs with it.
func (p *Person) Bot(n apikey.NewKey) (*softkey.Bot, apikey.Created) {
	p.W.T.Helper()
	bot := softkey.NewBot(API)
	if n.Alg == "" {
		n.Public = bot.Public()
	} else {
		bot.Private = nil
	}
	if n.Purpose == "" {
		n.Purpose = "Grid bot on my VPS"
	}
	checked, err := n.Checked()
	p.W.Must(err)
	p.Touch(checked.Act().Kind, checked.Act().Object)
	c, err := p.W.BotKeys.Add(context.Background(), p.Cause(), p.By(), n)
	p.W.Must(err)
	bot.ID, bot.Secret = string(c.ID), c.Secret
	return bot, c
}

// Sub makes a sub-account that was touched for.
func (p *Person) Sub(f account.SubForm) account.Sub {
	p.W.T.Helper()
	checked, err := f.Checked()
	p.W.Must(err)
	act := contain.SubMakeAct(checked)
	p.Touch(act.Kind, act.Object)
	sub, err := p.W.Contain.MakeSub(context.Background(), p.Cause(), p.By(), f)
	p.W.Must(err)
	return sub
}
