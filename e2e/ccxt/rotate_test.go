package ccxt

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
)

// trader is a ccxt bot that is told what to do while it trades.
type trader struct {
	t  *testing.T
	in io.Writer
	up *bufio.Scanner
}

// saidBot is what it answers.
type saidBot struct {
	Calls    map[string]int
	Failures []string
	ID       string
	Refused  thrown
	Open     []string
}

func newTrader(t *testing.T, p plan) *trader {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	cmd := exec.CommandContext(ctx, node(t), "rotate.mjs", file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	for _, e := range os.Environ() { // a proxy of the surroundings is not ours to go through
		if name, _, _ := strings.Cut(strings.ToLower(e), "="); !strings.HasSuffix(name, "_proxy") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("rotate.mjs: %v\n%s", err, stderr.String())
		}
		cancel()
	})
	return &trader{t: t, in: in, up: bufio.NewScanner(out)}
}

func (b *trader) does(what string, with map[string]any) (said saidBot) {
	b.t.Helper()
	if with == nil {
		with = map[string]any{}
	}
	with["do"] = what
	line, err := json.Marshal(with)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.in.Write(append(line, '\n')); err != nil {
		b.t.Fatal(err)
	}
	if !b.up.Scan() {
		b.t.Fatalf("%s: it said nothing", what)
	}
	if err := json.Unmarshal(b.up.Bytes(), &said); err != nil {
		b.t.Fatalf("%s says %q: %v", what, b.up.Text(), err)
	}
	return said
}

// until waits for calls that were let in with one version, and fails with the first that
// was not.
func (b *trader) until(version string, calls int) {
	b.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		said := b.does("so_far", nil)
		if len(said.Failures) > 0 {
			b.t.Fatalf("an honest call failed: %s", said.Failures[0])
		}
		if said.Calls[version] >= calls {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("it traded so much: %v", said.Calls)
		}
	}
}

// A bot that trades all the time, with the library most bots have, goes through a
// rotation: not one call fails. At the end of the key it can cancel what is open, and is
// told why it cannot order.
func TestACCXTBotTradesThroughARotation(t *testing.T) {
	t.Parallel()
	node(t)
	for _, e := range venues {
		t.Run(string(e.profile), func(t *testing.T) {
			t.Parallel()
			var ahead atomic.Int64
			y := newYardAt(t, func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
			person := y.w.NewPerson()
			y.w.Must(person.SignUp())
			p := y.planFor(e, person)
			bot := newTrader(t, p)
			id := apikey.ID(p.Good.Key)
			forward := func(d time.Duration) {
				ahead.Add(int64(d))
				bot.does("clock", map[string]any{"ms": time.Duration(ahead.Load()).Milliseconds()})
				person.In()
			}

			bot.does("start", nil)
			bot.until("old", 10)
			made := turn(y, person, id)
			bot.until("old", 20) // nobody told it yet
			bot.does("use", map[string]any{"name": "new", "credentials": credentials{string(made.Name), made.Secret, made.Passphrase}})
			bot.until("new", 20)
			first := bot.does("stop", nil)

			// The old version has been quiet for ten minutes: it ends while the bot trades.
			forward(11 * time.Minute)
			bot.does("start", nil)
			bot.until("new", 10)
			_, err := y.w.BotKeys.Retire(t.Context(), person.Cause(), person.By(), id, false)
			y.w.Must(err)
			bot.until("new", 20)
			second := bot.does("stop", nil)
			if len(first.Failures)+len(second.Failures) > 0 {
				t.Fatalf("%v %v", first.Failures, second.Failures)
			}
			t.Logf("0 of %d calls failed", first.Calls["old"]+first.Calls["new"]+second.Calls["new"])
			bot.does("use", map[string]any{"name": "left behind", "credentials": p.Good})
			if said := bot.does("place", nil); said.Refused.Class != e.secret || said.Refused.Again {
				t.Errorf("with the old version: %+v", said.Refused)
			}
			bot.does("use", map[string]any{"name": "new", "credentials": credentials{string(made.Name), made.Secret, made.Passphrase}})

			open := bot.does("place", nil)
			forward(made.Expires.Sub(y.w.DB.Now()) + time.Hour)
			refused := bot.does("place", nil)
			if refused.ID != "" || !strings.Contains(refused.Refused.Text, "EXIT_ONLY") || !strings.Contains(refused.Refused.Text, "may now only read, cancel and reduce; rotate it to trade again") || refused.Refused.Again {
				t.Errorf("an order after the end: %+v", refused)
			}
			if said := bot.does("list", nil); said.Refused.Class != "" || len(said.Open) != 1 || said.Open[0] != open.ID {
				t.Errorf("what is open after the end: %+v, placed %s", said, open.ID)
			}
			if said := bot.does("cancel", map[string]any{"id": open.ID}); said.Refused.Class != "" {
				t.Errorf("to cancel after the end: %+v", said.Refused)
			}
			if n := y.bots.Open(); n != 0 {
				t.Errorf("%d orders are open that nobody knows of", n)
			}
			t.Logf("an order after the end: %s: %s", refused.Refused.Class, refused.Refused.Text)
		})
	}
}

// turn replaces what signs for a key, on its owner's touch.
func turn(y *yard, p *signintest.Person, id apikey.ID) apikey.Turned {
	k := p.Key(id)
	t := apikey.Turn{Why: apikey.Update, Overlap: apikey.DefaultOverlap, Unrehearsed: true}
	act := t.Act(k)
	p.Touch(act.Kind, act.Object)
	made, err := y.w.BotKeys.Rotate(context.Background(), p.Cause(), p.By(), id, k.Version, t)
	y.w.Must(err)
	return made
}
