//! Where a key for moving leads in a list of lines or rows.

use super::keys::Id;

/// Rows that a turn of the wheel moves by.
const WHEEL: usize = 3;

/// The place that a key leads to from a place, `last` at most; `page` is how many rows are
/// seen. `None` for a key that does not move.
pub(crate) fn moved(id: Id, from: usize, last: usize, page: u16) -> Option<usize> {
    // One row of the page before stays in sight.
    let page = usize::from(page.max(2) - 1);
    let to = match id {
        Id::Up => from.saturating_sub(1),
        Id::Down => from.saturating_add(1),
        Id::WheelUp => from.saturating_sub(WHEEL),
        Id::WheelDown => from.saturating_add(WHEEL),
        Id::PageUp => from.saturating_sub(page),
        Id::PageDown => from.saturating_add(page),
        Id::First => 0,
        Id::Last => last,
        _ => return None,
    };
    Some(to.min(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_leads_out_of_the_list() {
        let from = |id, at| moved(id, at, 9, 5);
        assert_eq!(
            [Id::Up, Id::WheelUp, Id::PageUp].map(|id| from(id, 1)),
            [Some(0); 3]
        );
        assert_eq!(
            [Id::Down, Id::WheelDown, Id::PageDown].map(|id| from(id, 8)),
            [Some(9); 3]
        );
        assert_eq!((from(Id::First, 5), from(Id::Last, 5)), (Some(0), Some(9)));
        assert_eq!((from(Id::PageDown, 0), from(Id::Sort, 0)), (Some(4), None));
        assert_eq!(moved(Id::Down, 0, 0, 0), Some(0));
    }
}
