package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// sample is one measurement of one thing.
type sample struct {
	rate float64
	cpu  time.Duration // of the server, per operation; 0 when there is none to ask
}

// gauge measures one thing once.
type gauge struct {
	name    string
	measure func(ctx context.Context) (sample, error)
}

// series are the samples of one gauge, one per round.
type series []sample

// rounds measures every gauge once per round, one after the other, so that
// whatever else the machine does meanwhile falls on all of them alike.
func (b *bench) rounds(ctx context.Context, gauges ...gauge) ([]series, error) {
	out := make([]series, len(gauges))
	for _, g := range gauges { // once for nothing: connections prepare their statements, caches fill
		if _, err := g.measure(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", g.name, err)
		}
	}
	for r := range b.nRounds {
		for i, g := range gauges {
			s, err := g.measure(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", g.name, err)
			}
			b.say("  round %d  %-44s %10.0f/s  %6.0f µs", r+1, g.name, s.rate, micros(s.cpu))
			out[i] = append(out[i], s)
		}
	}
	return out, nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (s series) rate() float64 {
	var v []float64
	for _, x := range s {
		v = append(v, x.rate)
	}
	return median(v)
}

func (s series) cpu() float64 {
	var v []float64
	for _, x := range s {
		v = append(v, micros(x.cpu))
	}
	return median(v)
}

// nanos of CPU per operation: those of the fastest things are less than a microsecond.
func (s series) nanos() float64 { return s.cpu() * 1000 }

// over is the median of the ratios round by round.
func (s series) over(limit series) float64 {
	var v []float64
	for i := range s {
		v = append(v, s[i].rate/limit[i].rate)
	}
	return median(v)
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Clone(v)
	slices.Sort(v)
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// against fills the columns of a figure that compares two series.
func against(f figure, ours, limit series) figure {
	f.Unit, f.Ours, f.Limit, f.Ratio, f.CPU = "/s", ours.rate(), limit.rate(), ours.over(limit), ours.cpu()
	return f
}
