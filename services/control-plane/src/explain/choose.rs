//! Which of several devices is meant.

/// A device that the request fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) device_id: String,
    /// Whether Kandji lists it, as far as is known: asked now, else at the last sync.
    pub(super) listed: bool,
    /// Whether it holds a record.
    pub(super) linked: bool,
}

/// The one that is in Kandji, then the one that holds the record. Answers with its place; `None` if that leaves several.
pub(super) fn choose(candidates: &[Candidate]) -> Option<usize> {
    let mut left: Vec<usize> = (0..candidates.len()).collect();
    for better in [|it: &Candidate| it.listed, |it: &Candidate| it.linked] {
        if left.iter().any(|at| better(&candidates[*at])) {
            left.retain(|at| better(&candidates[*at]));
        }
    }
    match left.as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(device_id: &str, listed: bool, linked: bool) -> Candidate {
        Candidate { device_id: device_id.into(), listed, linked }
    }

    #[test]
    fn a_device_in_kandji_comes_first_then_the_one_that_holds_the_record() {
        assert_eq!(choose(&[candidate("only", false, false)]), Some(0));
        assert_eq!(choose(&[candidate("old", false, true), candidate("new", true, false)]), Some(1));
        assert_eq!(choose(&[candidate("loser", true, false), candidate("winner", true, true)]), Some(1));
    }

    #[test]
    fn devices_that_differ_in_nothing_are_for_the_caller_to_choose_from() {
        assert_eq!(choose(&[candidate("a", true, false), candidate("b", true, false)]), None);
        assert_eq!(choose(&[candidate("a", true, true), candidate("b", true, true)]), None);
        assert_eq!(choose(&[]), None);
    }
}
