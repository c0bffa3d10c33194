//! Which of several present devices gets an identifier value (DESIGN 4.12).

use jiff::Timestamp;

use crate::projection::shown;
use crate::{RejectReason, SourceField};

/// A present device that claims an identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Kandji's id of the device.
    pub device_id: String,
    /// Its serial number, for the message.
    pub serial_number: Option<String>,
    /// The identifier value it claims.
    pub identifier: String,
    /// When it last enrolled.
    pub last_enrollment: Option<Timestamp>,
    /// When it last checked in.
    pub last_check_in: Option<Timestamp>,
}

/// A claim that lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loser {
    /// Its index among the claims.
    pub claim: usize,
    /// IDENTIFIER_DUPLICATE if the value is the winner's, IDENTIFIER_NEAR_MATCH if it is only close to it.
    pub reason: RejectReason,
    /// Names the winner.
    pub message: String,
}

/// Who got it and who did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The winner's index among the claims.
    pub winner: usize,
    /// All others, in the order of the claims.
    pub losers: Vec<Loser>,
}

/// The index of the device that wins: the later last enrolment, then the later last check-in, then the larger device id.
/// A time that is not known is earlier than any other. 0 if there are no claims.
pub fn winner(claims: &[Claim]) -> usize {
    let rank = |claim: &'_ Claim| (claim.last_enrollment, claim.last_check_in);
    (1..claims.len()).fold(0, |best, index| {
        let (held, claim) = (&claims[best], &claims[index]);
        let order = rank(claim).cmp(&rank(held)).then_with(|| claim.device_id.cmp(&held.device_id));
        if order.is_gt() { index } else { best }
    })
}

/// Settles claims whose identifiers have one [`crate::identifier_key`].
pub fn settle(field: SourceField, claims: &[Claim]) -> Settled {
    let winning = winner(claims);
    let losers = claims.iter().enumerate().filter(|(index, _)| *index != winning).map(|(index, claim)| {
        let winner = &claims[winning];
        let exact = claim.identifier == winner.identifier;
        Loser {
            claim: index,
            reason: if exact { RejectReason::IdentifierDuplicate } else { RejectReason::IdentifierNearMatch },
            message: message(field, claim, winner, exact),
        }
    });
    Settled { winner: winning, losers: losers.collect() }
}

fn message(field: SourceField, loser: &Claim, winner: &Claim, exact: bool) -> String {
    let serial = winner.serial_number.as_deref().unwrap_or("none");
    let holder = format!("device {} (serial number {serial})", winner.device_id);
    let value = shown(&loser.identifier);
    if exact {
        format!(
            "{field} \"{value}\" is also that of {holder}, which enrolled or checked in later and wins; \
             correct one of the two in Kandji, or delete the one that is no longer in use"
        )
    } else {
        format!(
            "{field} \"{value}\" differs only in case, surrounding space or Unicode form from \"{}\" of {holder}, which \
             wins; correct one of the two in Kandji",
            shown(&winner.identifier)
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn claim(device_id: &str, identifier: &str, enrolled: Option<i64>, checked_in: Option<i64>) -> Claim {
        let time = |second| Timestamp::from_second(second).unwrap();
        Claim {
            device_id: device_id.into(),
            serial_number: Some(format!("S-{device_id}")),
            identifier: identifier.into(),
            last_enrollment: enrolled.map(time),
            last_check_in: checked_in.map(time),
        }
    }

    #[test]
    fn the_later_enrolment_wins_then_the_later_check_in_then_the_larger_id() {
        let by_enrolment =
            [claim("z", "A", Some(5), Some(9)), claim("a", "A", Some(6), Some(1)), claim("b", "A", None, None)];
        assert_eq!(winner(&by_enrolment), 1);
        let by_check_in = [claim("z", "A", Some(5), None), claim("a", "A", Some(5), Some(1))];
        assert_eq!(winner(&by_check_in), 1);
        let by_id = [claim("a", "A", None, None), claim("c", "A", None, None), claim("b", "A", None, None)];
        assert_eq!(winner(&by_id), 1);
    }

    #[test]
    fn the_order_of_claims_does_not_matter() {
        let mut claims =
            vec![claim("a", "A", Some(1), None), claim("b", "A", Some(3), None), claim("c", "A", Some(2), None)];
        for _ in 0..3 {
            claims.rotate_left(1);
            assert_eq!(claims[winner(&claims)].device_id, "b");
        }
    }

    #[test]
    fn losers_name_the_winner() {
        let claims = [
            claim("old", "ABC", Some(1), None),
            claim("new", "ABC", Some(2), None),
            claim("odd", "abc", Some(0), None),
        ];
        let settled = settle(SourceField::SerialNumber, &claims);
        assert_eq!(settled.winner, 1);
        let reasons: Vec<_> = settled.losers.iter().map(|loser| (loser.claim, loser.reason)).collect();
        assert_eq!(reasons, [(0, RejectReason::IdentifierDuplicate), (2, RejectReason::IdentifierNearMatch)]);
        for loser in &settled.losers {
            assert!(loser.message.contains("device new (serial number S-new)"), "{}", loser.message);
        }
        assert!(settled.losers[1].message.contains("\"abc\"") && settled.losers[1].message.contains("\"ABC\""));
    }

    #[test]
    fn one_claim_wins() {
        let settled = settle(SourceField::SerialNumber, &[claim("a", "A", None, None)]);
        assert_eq!(settled, Settled { winner: 0, losers: Vec::new() });
    }
}
