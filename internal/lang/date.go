package lang

import (
	"fmt"
	"time"
)

// A Form is one way to write a moment. The zone of the given time is the zone that is written.
type Form string

const (
	Full    Form = "full"    // Thu 12 Mar 2026, 14:07 KST
	Stamp   Form = "stamp"   // Thu 12 Mar 2026, 14:07:31 KST
	Short   Form = "short"   // Thu 12 Mar, 14:07 KST
	Date    Form = "date"    // 12 Mar 2026
	Day     Form = "day"     // Thu 12 Mar
	LongDay Form = "longday" // Thursday 12 March
	WeekDay Form = "weekday" // Thu 12
	Clock   Form = "clock"   // 14:07
)

var (
	koDays = [...]string{"일", "월", "화", "수", "목", "금", "토"}
	// enForms and koForms are layouts of package time. Korean day names are put in by hand: %s stands for one syllable.
	enForms = map[Form]string{
		Full: "Mon 2 Jan 2006, 15:04 MST", Stamp: "Mon 2 Jan 2006, 15:04:05 MST", Short: "Mon 2 Jan, 15:04 MST",
		Date: "2 Jan 2006", Day: "Mon 2 Jan", LongDay: "Monday 2 January", WeekDay: "Mon 2", Clock: "15:04",
	}
	koForms = map[Form]string{
		Full: "2006년 1월 2일(%s) 15:04 MST", Stamp: "2006년 1월 2일(%s) 15:04:05 MST", Short: "1월 2일(%s) 15:04 MST",
		Date: "2006년 1월 2일", Day: "1월 2일(%s)", LongDay: "1월 2일 %s요일", WeekDay: "2일(%s)", Clock: "15:04",
	}
)

// When writes a moment in a language.
func When(code string, t time.Time, form Form) string {
	if code != KO {
		return t.Format(enForms[form])
	}
	s := t.Format(koForms[form])
	if form == Date || form == Clock {
		return s
	}
	return fmt.Sprintf(s, koDays[t.Weekday()])
}

// Ago writes how long ago a moment was, in the coarsest unit that is still true; after 30 days it is the date.
func Ago(code string, now, t time.Time) string {
	switch d := now.Sub(t); {
	case d < time.Minute:
		return T(code, "ago.now")
	case d < time.Hour:
		return T(code, "ago.minutes", "n", int(d.Minutes()))
	case d < 24*time.Hour:
		return T(code, "ago.hours", "n", int(d.Hours()))
	case d < 30*24*time.Hour:
		return T(code, "ago.days", "n", int(d.Hours()/24))
	}
	return When(code, t, Date)
}

// Span writes a length of time as people plan with it: "5 minutes", "12 hours", "30 days".
func Span(code string, d time.Duration) string {
	switch {
	case d < time.Minute:
		return T(code, "span.seconds", "n", int(d.Seconds()))
	case d < 2*time.Hour:
		return T(code, "span.minutes", "n", int(d.Minutes()))
	case d < 72*time.Hour:
		return T(code, "span.hours", "n", int(d.Hours()))
	}
	return T(code, "span.days", "n", int(d.Hours()/24))
}

// Took writes how fast something was, in tenths of a second and never as zero.
func Took(code string, d time.Duration) string {
	return T(code, "span.took", "s", fmt.Sprintf("%.1f", max(0.1, d.Seconds())))
}
