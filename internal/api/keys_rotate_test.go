package api_test

import (
	"encoding/base64"
	"testing"
	"time"

	"keyward/internal/api"
	"keyward/internal/softkey"
)

func TestAKeyIsReplacedThroughTheAPI(t *testing.T) {
	w := newWorld(t)
	alice := w.app().signUp("alice@example.org")
	c := alice.made(wish("read.account trade.spot"))
	path := "/api/v1/keys/" + c.Key.ID
	public := base64.StdEncoding.EncodeToString(softkey.NewBot("api.example.com").Public())
	turn := map[string]any{"version": c.Key.Version, "why": "cadence", "public_key": public, "days": 90}
	alice.send("POST", path+"/rotate", turn).refused(409, "apikey_unrehearsed")
	var r api.KeyRehearsal
	alice.get(path+"/rehearsal", &r)
	equal(t, "rehearsal", r.Stage, "no_test_key")
	turn["without_rehearsal"] = true
	turn["overlap_hours"] = 721
	alice.send("POST", path+"/rotate", turn).refused(400, "apikey_limits")
	delete(turn, "overlap_hours")
	alice.touchFor(alice.send("POST", path+"/rotate", turn))
	var made api.RotatedKey
	alice.send("POST", path+"/rotate", turn).want(201, &made)
	equal(t, "version", made.N, 2)
	equal(t, "id", made.Name, c.Key.ID)
	equal(t, "a secret of a pair", made.Secret, "")
	var m api.KeyMeter
	alice.get(path+"/meter", &m)
	equal(t, "versions", len(m.Versions), 2)
	equal(t, "in the way", m.Blockers[0].What, "new_unseen")
	equal(t, "the old one ends", m.Versions[1].Ends, made.OldEnds)

	alice.send("POST", path+"/retire", map[string]any{}).refused(409, "apikey_still_used")
	keep := map[string]any{"until": made.OldEnds.Add(time.Hour)}
	alice.touchFor(alice.send("POST", path+"/keep", keep))
	var k api.APIKey
	alice.send("POST", path+"/keep", keep).want(200, &k)
	alice.get(path+"/meter", &m)
	equal(t, "the old one ends later", m.Versions[1].Ends, made.OldEnds.Add(time.Hour))
	alice.touchFor(alice.send("POST", path+"/undo", nil))
	alice.send("POST", path+"/undo", nil).want(200, &k)
	equal(t, "its end is what it was", k.Expires, c.Key.Expires)
	alice.send("POST", path+"/retire", map[string]any{"force": true}).refused(409, "apikey_not_replacing")

	turn = map[string]any{"version": k.Version, "why": "leak", "public_key": base64.StdEncoding.EncodeToString(softkey.NewBot("api.example.com").Public())}
	alice.touchFor(alice.send("POST", path+"/rotate", turn))
	made = api.RotatedKey{}
	alice.send("POST", path+"/rotate", turn).want(201, &made)
	equal(t, "nothing of the old one is left", made.OldEnds.IsZero(), true)
	bob := w.app().signUp("bob@example.org")
	bob.send("POST", path+"/rotate", turn).refused(404, "apikey_unknown")
	bob.send("GET", path+"/meter", nil).refused(404, "apikey_unknown")
}
