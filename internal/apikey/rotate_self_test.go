package apikey_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

var turning = apikey.NewKey{Scopes: trading.Scopes | apikey.RotateSelf, Allow: trading.Allow}

// asks is what the gate does with a bot's own rotation.
func (o *owner) asks(r *softkey.Rotation, by *softkey.Bot, id string) (apikey.SelfTurned, error) {
	o.t.Helper()
	need := apikey.Need{Scope: apikey.RotateSelf, Class: apikey.ClassKey}
	d, no := o.w.BotKeys.Verify(o.t.Context(), o.request(by, call{method: "POST", path: r.Path(), body: r.Body()}), need)
	if no != nil {
		return apikey.SelfTurned{}, no
	}
	t, ok := apikey.ParseSelfTurn(id, []byte(r.Body()))
	if !ok {
		o.t.Fatalf("not read: %s", r.Body())
	}
	return o.w.BotKeys.RotateSelf(o.t.Context(), store.Cause{Actor: "key:" + string(d.Key.ID)}, authority, d, t)
}

func TestABotReplacesItsOwnKeyAndAsksTwice(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(turning)
		r := bot.Rotation(2)
		first, err := o.asks(r, bot, bot.ID)
		o.w.Must(err)
		if first.N != 2 || !first.Expires.Equal(key.Expires) || first.OldEnds.Sub(o.w.DB.Now()).Round(time.Minute) != 24*time.Hour {
			t.Errorf("%+v", first)
		}
		next := *bot
		next.Private = r.Private
		again, err := o.asks(r, bot, bot.ID)
		o.w.Must(err)
		byNew, err := o.asks(r, &next, bot.ID)
		o.w.Must(err)
		if again.N != 2 || !again.OldEnds.Equal(first.OldEnds) || byNew.N != 2 {
			t.Errorf("again %+v, by the new one %+v", again, byNew)
		}
		o.want(o.request(bot, order), trade, "")
		o.want(o.request(&next, order), trade, "")
		_, err = o.asks(bot.Rotation(2), bot, bot.ID)
		o.w.Refused(err, apikey.ErrReplacing) // another one: perhaps not the same program
		_, err = o.asks(next.Rotation(3), &next, bot.ID)
		o.w.Refused(err, apikey.ErrReplacing)
		if n := len(o.p.Versions(key.ID)); n != 2 {
			t.Errorf("%d versions", n)
		}
		o.w.Clock.Sleep(25 * time.Hour)
		o.want(o.request(bot, order), trade, "(AUTH_FAILED)")
		_, err = o.asks(next.Rotation(3), &next, bot.ID)
		o.w.Must(err)
	})
}

func TestWhatABotCannotDoToItsKey(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(turning)
		n := turning
		n.Purpose = "another"
		other, _ := o.p.Bot(n)
		foreignProof := bot.Rotation(2)
		foreignProof.Bot = other // signed for another key
		d, no := o.w.BotKeys.Verify(t.Context(), o.request(bot, call{method: "POST", path: "/v1/keys/" + bot.ID + "/rotate", body: foreignProof.Body()}), apikey.Need{Scope: apikey.RotateSelf, Class: apikey.ClassKey})
		if no != nil {
			t.Fatal(no)
		}
		said, _ := apikey.ParseSelfTurn(bot.ID, []byte(foreignProof.Body()))
		_, err := o.w.BotKeys.RotateSelf(t.Context(), store.Cause{}, authority, d, said)
		o.w.Refused(err, apikey.ErrRotateProof)
		own, _ := apikey.ParseSelfTurn(bot.ID, []byte(bot.Rotation(2).Body()))
		_, err = o.w.BotKeys.RotateSelf(t.Context(), store.Cause{}, "api.evil.example", d, own)
		o.w.Refused(err, apikey.ErrRotateProof)

		_, err = o.asks(bot.Rotation(3), bot, bot.ID)
		o.w.Refused(err, apikey.ErrChanged)
		// The path of another key, with a proof that names it.
		stolen := bot.Rotation(2)
		stolen.Bot = other
		_, err = o.asks(stolen, bot, other.ID)
		o.w.Refused(err, apikey.ErrUnknown)
		same := bot.Rotation(2)
		same.Private = bot.Private
		_, err = o.asks(same, bot, bot.ID)
		o.w.Refused(err, apikey.ErrPublic)
		lesser, _ := o.p.Bot(trading)
		_, err = o.asks(lesser.Rotation(2), lesser, lesser.ID)
		var refused *apikey.Refusal
		if !errors.As(err, &refused) || refused.Code != apikey.ScopeMissing {
			t.Errorf("without the right: %v", err)
		}
		m := turning
		m.Purpose, m.Scopes = "moves money", turning.Scopes|apikey.TransferInternal
		rich, _ := o.p.Bot(m)
		_, err = o.asks(rich.Rotation(2), rich, rich.ID)
		o.w.Refused(err, apikey.ErrOwnerRotates)

		// A secret that stood in a web page is everybody's.
		shown := turning
		shown.Purpose = "in a page"
		page, _ := o.p.Bot(shown)
		marked := order
		marked.header = map[string][]string{"Origin": {"https://page.example"}}
		o.want(o.request(page, marked), trade, "KEY_IN_BROWSER")
		_, err = o.asks(page.Rotation(2), page, page.ID)
		o.w.Refused(err, apikey.ErrOwnerRotates)

		// After its time a key looks and cancels; it does not give itself more of it.
		o.w.Clock.Sleep(key.Expires.Sub(o.w.DB.Now()) + time.Hour)
		_, err = o.asks(bot.Rotation(2), bot, bot.ID)
		if !errors.As(err, &refused) || refused.Code != apikey.ExitOnly {
			t.Errorf("after its end: %v", err)
		}
	})
}

func TestASecretComesSealedForTheOneThatAsked(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		n := turning
		n.Alg = apikey.HMACSHA256
		bot, _ := o.p.Bot(n)
		r := bot.Rotation(2)
		opened := map[string]bool{}
		for range 2 {
			out, err := o.asks(r, bot, bot.ID)
			o.w.Must(err)
			next, err := r.Done(answerOf(out))
			o.w.Must(err)
			opened[next.Secret] = true
			o.want(o.request(next, order), trade, "")
		}
		if len(opened) != 1 || opened[bot.Secret] {
			t.Errorf("two answers to one question had %d secrets", len(opened))
		}
		o.want(o.request(bot, order), trade, "")
		// A thief of the old secret who saw all of that asks for it, sealed to a key of their own.
		_, err := o.asks(bot.Rotation(2), bot, bot.ID)
		o.w.Refused(err, apikey.ErrReplacing)
		// A point that anybody knows the other half of: refused before anything is changed.
		n.Purpose = "another"
		other, key := o.p.Bot(n)
		zero := other.Rotation(2)
		d, _ := o.w.BotKeys.Verify(t.Context(), o.request(other, call{method: "POST", path: zero.Path(), body: zero.Body()}), apikey.Need{Scope: apikey.RotateSelf, Class: apikey.ClassKey})
		_, err = o.w.BotKeys.RotateSelf(t.Context(), store.Cause{}, authority, d, apikey.SelfTurn{ID: other.ID, Next: 2, SealTo: make([]byte, 32)})
		o.w.Refused(err, apikey.ErrPublic)
		if v := o.p.Versions(key.ID); len(v) != 1 {
			t.Errorf("%+v", v)
		}
	})
}

func TestTheOwnerTakesBackWhatAThiefRotated(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(turning)
		thief := *bot // a copy of all it has
		r := thief.Rotation(2)
		_, err := o.asks(r, &thief, bot.ID)
		o.w.Must(err)
		thief.Private = r.Private
		o.want(o.request(bot, order), trade, "") // nobody is shut out
		if events := o.w.Events(o.p.Account); !contains(events, "apikey.rotated_self") {
			t.Errorf("nobody was told: %s", events)
		}
		mine, _ := o.p.Turn(bot, key.ID, apikey.Turn{Why: apikey.MayHaveLeaked})
		o.want(o.request(&thief, order), trade, "(AUTH_FAILED)")
		o.want(o.request(bot, order), trade, "(AUTH_FAILED)")
		o.want(o.request(mine, order), trade, "")
	})
}

func FuzzParseSelfTurn(f *testing.F) {
	bot := softkey.NewBot(authority)
	bot.ID = "kwk_live_1"
	f.Add(bot.Rotation(2).Body())
	bot.Private = nil
	f.Add(bot.Rotation(7).Body())
	f.Add(`{"version":2,"version":3,"seal_to":"AAAA"}`)
	f.Fuzz(func(t *testing.T, body string) {
		turn, ok := apikey.ParseSelfTurn("id", []byte(body))
		if !ok {
			return
		}
		if turn.Next < 2 || (len(turn.SealTo) == 32) == (len(turn.Public) == 32 && len(turn.Proof) == 64) {
			t.Errorf("%q was read as %+v", body, turn)
		}
	})
}

func answerOf(out apikey.SelfTurned) []byte {
	b, _ := json.Marshal(map[string]string{"key": string(out.Name), "sealed_secret": base64.RawURLEncoding.EncodeToString(out.Sealed)})
	return b
}

func contains(text, what string) bool { return strings.Contains(text, what) }
