// Package placetest makes place files for tests. Nothing else may import it.
package placetest
