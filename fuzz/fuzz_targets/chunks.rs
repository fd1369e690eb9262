//! Chunks and the bitmaps that ask for them: one spelling, exact counts, and chunks that add up to the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loaxa::protocol::chunks::{Bitmap, MAX_CHUNKS, chunk_hash, describe};
use loaxa::protocol::keys::media_hash;

fuzz_target!(|data: &[u8]| {
    let (text, file) = data.split_at(data.len() / 2);
    let media = describe(media_hash(file), file);
    let total: usize = (0..media.chunks.len()).map(|index| media.chunk_len(index)).sum();
    assert_eq!(total, file.len());
    assert_eq!(media.chunk_len(media.chunks.len()), 0);
    let mut from = 0;
    for (index, hash) in media.chunks.iter().enumerate() {
        let until = from + media.chunk_len(index);
        assert_eq!(*hash, chunk_hash(&file[from..until]));
        from = until;
    }

    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(bitmap) = Bitmap::try_from(text.to_owned()) else { return };
    assert_eq!(String::from(bitmap.clone()), text, "a bitmap has one spelling");
    let ones: Vec<_> = bitmap.ones().collect();
    assert_eq!(ones.len(), bitmap.count());
    assert!(ones.is_sorted() && ones.iter().all(|index| bitmap.get(*index) && *index < MAX_CHUNKS + 8));
    let mut built = Bitmap::with_len(MAX_CHUNKS);
    ones.iter().for_each(|index| built.set(*index));
    let mut merged = bitmap.clone();
    merged.merge(&built);
    assert_eq!(merged.ones().collect::<Vec<_>>(), ones);
});
