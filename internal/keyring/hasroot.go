package keyring

import "context"

// HasRoot tells whether a deployment was started on this shelf. A missing key
// file beside one means the file was lost or not mounted: making a new one could
// open nothing (DESIGN §3).
func HasRoot(ctx context.Context, shelf Shelf) (bool, error) {
	for _, name := range []string{metaRoot, metaSeal, metaSafe, metaRefresh, metaSigning} {
		if _, there, err := shelf.LoadMeta(ctx, name); err != nil || there {
			return there, err
		}
	}
	return false, nil
}
