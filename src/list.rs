//! Taking an element out of a vector without the panic, and its 700 bytes of formatting in the
//! page, that `Vec::remove` brings along.

use alloc::vec::Vec;

/// Removes the element at `at` and keeps the order of the others; `None` when there is none.
pub fn take<T>(list: &mut Vec<T>, at: usize) -> Option<T> {
    let mut rest = list.get_mut(at..)?.iter_mut();
    let mut hole = rest.next()?;
    for next in rest {
        core::mem::swap(hole, next);
        hole = next;
    }
    list.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_keeps_the_order_and_beyond_the_end_is_nothing() {
        let mut list = alloc::vec![1, 2, 3, 4];
        assert_eq!(take(&mut list, 1), Some(2));
        assert_eq!(list, [1, 3, 4]);
        assert_eq!(take(&mut list, 2), Some(4));
        assert_eq!(take(&mut list, 2), None);
        assert_eq!(take(&mut list, 9), None);
        assert_eq!(list, [1, 3]);
    }
}
