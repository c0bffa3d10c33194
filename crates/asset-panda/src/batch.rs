//! A batch that one write may carry.

use crate::assumptions::WRITE_BATCH;

/// One to five items: what one write call takes. Cannot be empty or larger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<T>(Vec<T>);

/// A batch would have been empty or too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a write takes 1 to {WRITE_BATCH} records, not {size}")]
pub struct BatchSizeError {
    /// How many there were.
    pub size: usize,
}

impl<T> Batch<T> {
    /// The most items a batch holds.
    pub const MAX: usize = WRITE_BATCH;

    /// A batch of these items, in this order.
    ///
    /// # Errors
    /// If there are none, or more than [`Batch::MAX`].
    pub fn new(items: Vec<T>) -> Result<Self, BatchSizeError> {
        match items.len() {
            1..=WRITE_BATCH => Ok(Self(items)),
            size => Err(BatchSizeError { size }),
        }
    }

    /// A batch of one.
    #[must_use]
    pub fn one(item: T) -> Self {
        Self(vec![item])
    }

    /// All items in as few batches as possible, in order; none for no items.
    pub fn split(items: impl IntoIterator<Item = T>) -> Vec<Self> {
        let mut batches: Vec<Self> = Vec::new();
        for item in items {
            match batches.last_mut() {
                Some(last) if last.0.len() < Self::MAX => last.0.push(item),
                _ => batches.push(Self::one(item)),
            }
        }
        batches
    }

    /// The items, in order; results of a write come in the same order.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.0
    }

    /// The items, owned.
    #[must_use]
    pub fn into_items(self) -> Vec<T> {
        self.0
    }
}

impl<T> TryFrom<Vec<T>> for Batch<T> {
    type Error = BatchSizeError;

    fn try_from(items: Vec<T>) -> Result<Self, BatchSizeError> {
        Self::new(items)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_batch_holds_one_to_five() {
        assert_eq!(Batch::<u8>::new(vec![]), Err(BatchSizeError { size: 0 }));
        assert_eq!(Batch::new(vec![0; 6]), Err(BatchSizeError { size: 6 }));
        for size in 1..=5 {
            assert_eq!(Batch::new(vec![0; size]).unwrap().items().len(), size);
        }
    }

    #[test]
    fn splitting_fills_batches_in_order() {
        assert!(Batch::<u8>::split([]).is_empty());
        let batches = Batch::split(0..11);
        let sizes: Vec<usize> = batches.iter().map(|batch| batch.items().len()).collect();
        assert_eq!(sizes, [5, 5, 1]);
        let all: Vec<i32> = batches.into_iter().flat_map(Batch::into_items).collect();
        assert_eq!(all, (0..11).collect::<Vec<_>>());
    }
}
