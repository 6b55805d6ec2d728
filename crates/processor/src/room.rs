//! Growing tables that have an entry for each series.

/// Makes room for one more by an eighth of what is there: doubling would leave a third of all room empty, for
/// each of very many series.
pub(crate) fn make<T>(table: &mut Vec<T>) {
    if table.len() == table.capacity() {
        table.reserve_exact(table.len() / 8 + 16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_by_an_eighth() {
        let mut table = Vec::new();
        for i in 0..10_000 {
            make(&mut table);
            table.push(i);
        }
        assert!(table.capacity() < 11_300, "{}", table.capacity());
    }
}
