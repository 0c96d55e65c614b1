//! Long byte strings in a table: cut into chunks, since redb gives a value a run of pages rounded up to a power of two.
//!
//! The size of a chunk is not part of the format: a reader takes all chunks of a message in order.

use bytes::{Bytes, BytesMut};
use redb::{ReadableTable, Table};

use crate::error::Error;
use crate::tables::Part;

/// Bytes of a whole chunk. With its key and redb's header it fills sixteen pages of 4 KiB.
const CHUNK_BYTES: usize = (64 << 10) - OVERHEAD_BYTES;
/// What a page spends on a value besides the value: header, key, offsets; with a little to spare.
const OVERHEAD_BYTES: usize = 64;
const PAGE_BYTES: u64 = 4096;

type Chunks<'txn> = Table<'txn, Part, &'static [u8]>;

/// Writes the pieces, one after the other, under `number`. At least one chunk, so that nothing is something too.
pub(crate) fn put(table: &mut Chunks<'_>, number: u128, pieces: &[Bytes]) -> Result<(), Error> {
    let mut left: usize = pieces.iter().map(Bytes::len).sum();
    let mut pieces = pieces.iter();
    let mut piece: &[u8] = &[];
    let mut part = 0;
    loop {
        let length = left.min(CHUNK_BYTES);
        let mut chunk = table.insert_reserve((number, part), length)?;
        let mut place = chunk.as_mut();
        while !place.is_empty() {
            if piece.is_empty() {
                // `left` is the sum of what is left, so there is a next piece as long as there is a place.
                let Some(next) = pieces.next() else { break };
                piece = next;
                continue;
            }
            let step = place.len().min(piece.len());
            place[..step].copy_from_slice(&piece[..step]);
            piece = &piece[step..];
            place = &mut place[step..];
        }
        drop(chunk);
        left -= length;
        part += 1;
        if left == 0 {
            return Ok(());
        }
    }
}

/// All chunks of `number` joined; none if there is not even one.
pub(crate) fn get(
    table: &impl ReadableTable<Part, &'static [u8]>,
    number: u128,
) -> Result<Option<Bytes>, Error> {
    let mut rows = table.range((number, 0)..=(number, u32::MAX))?;
    let Some(first) = rows.next() else {
        return Ok(None);
    };
    let first = first?.1;
    let mut joined = BytesMut::from(first.value());
    for row in rows {
        joined.extend_from_slice(row?.1.value());
    }
    Ok(Some(joined.freeze()))
}

/// Removes all rows of `number`, which are numbered from 0 without a gap.
pub(crate) fn remove(table: &mut Chunks<'_>, number: u128) -> Result<(), Error> {
    let mut part = 0;
    while table.remove((number, part))?.is_some() {
        part += 1;
    }
    Ok(())
}

/// Bytes of pages that a byte string of this length fills.
pub(crate) fn disk_bytes(length: u64) -> u64 {
    let overhead = OVERHEAD_BYTES as u64;
    let pages = |length: u64| (length + overhead).div_ceil(PAGE_BYTES).next_power_of_two();
    let whole = length / CHUNK_BYTES as u64;
    let rest = length % CHUNK_BYTES as u64;
    let rest_pages = if rest > 0 || whole == 0 {
        pages(rest)
    } else {
        0
    };
    (whole * pages(CHUNK_BYTES as u64) + rest_pages) * PAGE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use redb::{Database, TableDefinition, backends::InMemoryBackend};

    const TABLE: TableDefinition<Part, &'static [u8]> = TableDefinition::new("t");

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn pieces_come_back_joined_and_go_without_a_trace(
            lengths in proptest::collection::vec(0usize..90_000, 0..5),
        ) {
            let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
            let pieces: Vec<Bytes> = lengths
                .iter()
                .enumerate()
                .map(|(n, &length)| (0..length).map(|i| (i * 31 + n) as u8).collect())
                .collect();
            let txn = database.begin_write().unwrap();
            {
                let mut table = txn.open_table(TABLE).unwrap();
                put(&mut table, 6, &[Bytes::from_static(b"before")]).unwrap();
                put(&mut table, 7, &pieces).unwrap();
                put(&mut table, 8, &[Bytes::from_static(b"after")]).unwrap();
                prop_assert_eq!(get(&table, 7).unwrap().unwrap(), pieces.concat());
                remove(&mut table, 7).unwrap();
                prop_assert_eq!(get(&table, 7).unwrap(), None);
                prop_assert_eq!(get(&table, 6).unwrap().unwrap(), &b"before"[..]);
                prop_assert_eq!(get(&table, 8).unwrap().unwrap(), &b"after"[..]);
            }
        }
    }

    #[test]
    fn the_estimate_grows_by_pages() {
        assert_eq!(disk_bytes(0), 4096);
        assert_eq!(disk_bytes(10_240), 4 * 4096);
        assert_eq!(disk_bytes(CHUNK_BYTES as u64), 16 * 4096);
        assert_eq!(disk_bytes(CHUNK_BYTES as u64 + 1), 17 * 4096);
    }
}
