package signintest

import (
	"context"

	"keyward/internal/apikey"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// Key reads a key of this person.
func (p *Person) Key(id apikey.ID) (k apikey.Key) {
	p.W.T.Helper()
	p.W.Must(p.W.DB.View(context.Background(), func(tx *store.Tx) (err error) {
		k, err = p.W.BotKeys.ByID(tx, p.Account, id)
		return err
	}))
	return k
}

// Versions reads what signs for a key of this person.
func (p *Person) Versions(id apikey.ID) (out []apikey.Version) {
	p.W.T.Helper()
	p.W.Must(p.W.DB.View(context.Background(), func(tx *store.Tx) (err error) {
		k, err := p.W.BotKeys.ByID(tx, p.Account, id)
		if err != nil {
			return err
		}
		out, err = p.W.BotKeys.Versions(tx, k)
		return err
	}))
	return out
}

// Turn touches for a rotation and does it; the bot signs with the new version.
func (p *Person) Turn(bot *softkey.Bot, id apikey.ID, t apikey.Turn) (*softkey.Bot, apikey.Turned) {
	p.W.T.Helper()
	next, t, k := p.next(bot, id, t)
	act := t.Act(k)
	p.Touch(act.Kind, act.Object)
	made, err := p.W.BotKeys.Rotate(context.Background(), p.Cause(), p.By(), id, k.Version, t)
	p.W.Must(err)
	next.ID, next.Secret = string(made.Name), made.Secret
	return next, made
}

func (p *Person) next(bot *softkey.Bot, id apikey.ID, t apikey.Turn) (*softkey.Bot, apikey.Turn, apikey.Key) {
	next := softkey.NewBot(bot.Authority)
	next.Skew = bot.Skew
	if bot.Private == nil {
		next.Private = nil
	} else {
		t.Public = next.Public()
	}
	return next, t, p.Key(id)
}
