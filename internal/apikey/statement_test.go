package apikey_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
)

// told is the signed story of a key for the last hour.
func (o *owner) told(k apikey.Key) (file []byte) {
	o.t.Helper()
	o.w.Must(o.w.BotKeys.Flush(o.t.Context()))
	o.w.Seal()
	o.w.Must(o.w.DB.View(o.t.Context(), func(tx *storeTx) (err error) {
		file, err = o.w.BotKeys.SignedStory(tx, k, tx.Now.Add(-time.Hour), tx.Now.Add(time.Minute))
		return err
	}))
	return file
}

func TestTheStoryOfAKeyIsSignedAndReadsFarAway(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		sub := o.p.Sub(account.SubForm{Name: "Maker"})
		n := moving
		n.Sub = string(sub.ID)
		bot, key := o.p.Bot(n)
		o.p.Bot(trading) // another key, which is in no other's story
		o.want(o.request(bot, order), trade, "")
		away := order
		away.peer = foreign
		o.want(o.request(bot, away), trade, "IP_NOT_ALLOWED")
		_, err := o.w.BotKeys.Change(t.Context(), o.p.Cause(), o.p.By(), key.ID, key.Version, func() apikey.Edit { e := key.Edit(); e.Purpose = "Renamed"; return e }())
		o.w.Must(err)
		_, _, _, err = o.w.Contain.CloseSub(t.Context(), o.p.Cause(), o.p.Account, sub.ID, "")
		o.w.Must(err)
		file := o.told(key.Key)
		st, err := apikey.OpenStory(file, o.w.Log.Key())
		if err != nil {
			t.Fatal(err)
		}
		var did []string
		for _, c := range st.Changes {
			did = append(did, c.Action)
		}
		if got := strings.Join(did, " "); got != "subaccount.closed apikey.narrowed apikey.added" {
			t.Errorf("it was changed by: %s", got)
		}
		if len(st.Minutes) != 2 || st.Waiting != 0 || st.Cut || st.Checkpoint == "" || st.Sub != string(sub.ID) {
			t.Errorf("%+v", st)
		}
		for _, m := range st.Minutes {
			if (m.Refused == "") != (m.Address == home.String()) {
				t.Errorf("%+v", m)
			}
		}
		if bytes.Contains(file, []byte(key.Secret)) && key.Secret != "" {
			t.Error("the secret stands in it")
		}
	})
}

func TestAChangedStoryIsNoStory(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(trading)
		o.want(o.request(bot, order), trade, "")
		file := o.told(key.Key)
		mine := o.w.Log.Key()
		edit := func(old, new string) []byte {
			out := bytes.Replace(file, []byte(old), []byte(new), 1)
			if bytes.Equal(out, file) {
				t.Fatalf("%q does not stand in the story", old)
			}
			return out
		}
		var parts map[string]json.RawMessage
		o.w.Must(json.Unmarshal(file, &parts))
		stranger := strings.Replace(mine, "+A", "+B", 1)
		for name, bad := range map[string][]byte{
			"another address": edit(home.String(), "203.0.113.8"), "another count": edit(`"n":1}`, `"n":2}`), "another action": edit("apikey.added", "apikey.ended"),
			"a space more": edit(`{"story":`, `{ "story":`), "a member more": edit(`{"story":`, `{"x":1,"story":`), "a member in other letters": edit(`"format"`, `"Format"`),
			"a second object": append(bytes.Clone(file), '{', '}'), "no end of line": bytes.TrimSpace(file), "cut short": file[:len(file)/2], "nothing": nil,
		} {
			if _, err := apikey.OpenStory(bad, mine); err == nil {
				t.Errorf("%s: is taken", name)
			}
		}
		if _, err := apikey.OpenStory(file, stranger); err == nil {
			t.Error("is taken under another key")
		}
		// A checkpoint is no story, and a story no checkpoint: the first line keeps them apart.
		st, err := apikey.OpenStory(file, mine)
		o.w.Must(err)
		if audit.OpenStatement("keyward-key-story-1", []byte("x"), st.Checkpoint, mine) == nil {
			t.Error("a checkpoint passes for the signature of a document")
		}
	})
}

func FuzzOpenStory(f *testing.F) {
	f.Add([]byte(`{"story":{"format":"keyward-key-story-1"},"signature":""}`), "")
	f.Add([]byte(`{}`), "keyward-audit+00000000+AQ==")
	f.Fuzz(func(t *testing.T, file []byte, key string) {
		if _, err := apikey.OpenStory(file, key); err == nil {
			t.Fatal("nobody signed this")
		}
	})
}
