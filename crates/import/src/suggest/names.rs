//! How like a column's name is to a field's.

use crate::SourceField;

/// How a column's name relates to a field's, from far to near.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likeness {
    /// A word is the same, others are not.
    Resemblance,
    /// It holds the field's whole name among other words.
    AmongWords,
    /// It is a name that others have for the same thing.
    AnotherName,
    /// It is the same but for case, spaces, signs, and the product's name.
    SameName,
}

/// Words that say whose the field is, and nothing of what it is.
const WHOSE: [&str; 5] = ["kandji", "iru", "apple", "the", "of"];

/// How like they are; `None`: not at all.
pub(super) fn likeness(field: SourceField, column: &str) -> Option<Likeness> {
    let all = words(column);
    let bare: Vec<&String> = all.iter().filter(|word| !WHOSE.contains(&word.as_str())).collect();
    let joined: String = bare.iter().map(|word| word.as_str()).collect();
    let own = words(field.display_name());
    if joined == own.concat() {
        return Some(Likeness::SameName);
    }
    if other_names(field).iter().any(|name| *name == joined || *name == all.concat()) {
        return Some(Likeness::AnotherName);
    }
    let holds = bare.windows(own.len()).any(|part| part.iter().zip(&own).all(|(word, own)| *word == own));
    match own.len() {
        // A single word among others may mean anything: "Model Year" is no model.
        1 => holds.then_some(Likeness::Resemblance),
        _ => holds.then_some(Likeness::AmongWords),
    }
}

/// The words of a name in lower case: parted by spaces, signs and the capitals of camel case.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before_is_small = false;
    for letter in name.chars() {
        if !letter.is_alphanumeric() || (letter.is_uppercase() && before_is_small) {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
        if letter.is_alphanumeric() {
            word.extend(letter.to_lowercase());
        }
        before_is_small = letter.is_lowercase();
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// What a field is called elsewhere, in one word and lower case.
fn other_names(field: SourceField) -> &'static [&'static str] {
    use SourceField as F;
    match field {
        F::AgentInstalled => &["hasagent", "agentpresent"],
        F::AgentVersion => &["agentversionnumber"],
        F::AssetTag => &["assetnumber", "assetno", "inventorytag", "inventorynumber", "barcode"],
        F::BlueprintId => &["blueprintuuid"],
        F::BlueprintName => &["blueprint"],
        F::DeviceId => &["kandjiid", "iruid", "deviceuuid", "deviceidentifier", "mdmid", "mdmdeviceid", "externalid"],
        F::DeviceName => &["computername", "hostname", "machinename", "name", "assetname"],
        F::FirstEnrollment => &["firstenrolled", "firstenrollmentdate", "enrollmentdate", "dateenrolled", "enrolledon"],
        F::IsMissing => &["missing", "reportedmissing"],
        F::IsRemoved => &["removed", "removedfromkandji", "removedfrommdm"],
        F::LastCheckIn => &["lastseen", "lastcontact", "lastcheckindate", "lastcheckintime", "lastactive"],
        F::LastEnrollment => &["lastenrolled", "lastenrollmentdate", "reenrollmentdate"],
        F::LostModeStatus => &["lostmode"],
        F::MdmEnabled => &["mdm", "managed", "ismanaged", "mdmmanaged", "mdmenrolled"],
        F::Model => &["modelname", "devicemodel", "modeldescription", "hardwaremodel", "computermodel"],
        F::OsVersion => &["operatingsystemversion", "osversionnumber", "macosversion", "softwareversion", "osver"],
        F::Platform => &["deviceplatform", "platformtype", "devicetype", "operatingsystem", "os"],
        F::SerialNumber => {
            &["serial", "serialno", "serialnum", "sn", "deviceserial", "deviceserialnumber", "serialnumbers"]
        }
        F::SupplementalBuildVersion => &["supplementalbuild"],
        F::SupplementalOsVersionExtra => &["osversionextra", "supplementalosversion"],
        F::Tags => &["tag", "devicetags", "labels"],
        F::UserActive => &["isuseractive", "activeuser", "userisactive"],
        F::UserEmail => &["email", "emailaddress", "mail", "useremailaddress", "owneremail", "assigneduseremail"],
        F::UserId => &["assigneduserid", "kandjiuserid", "userguid", "useruuid"],
        F::UserIsArchived => &["userarchived", "archiveduser", "isuserarchived"],
        F::UserName => {
            &["user", "assigneduser", "assignedto", "owner", "fullname", "employee", "employeename", "primaryuser"]
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Last Check-In", &["last", "check", "in"])]
    #[case("lastCheckIn", &["last", "check", "in"])]
    #[case("OS Version", &["os", "version"])]
    #[case("  Serial # ", &["serial"])]
    #[case("user_email", &["user", "email"])]
    fn a_name_is_its_words(#[case] name: &str, #[case] expected: &[&str]) {
        assert_eq!(words(name), expected);
    }

    #[rstest]
    #[case(SourceField::SerialNumber, "serial number", Some(Likeness::SameName))]
    #[case(SourceField::SerialNumber, "Kandji SerialNumber", Some(Likeness::SameName))]
    #[case(SourceField::SerialNumber, "Serial No.", Some(Likeness::AnotherName))]
    #[case(SourceField::SerialNumber, "Battery Serial Number (internal)", Some(Likeness::AmongWords))]
    #[case(SourceField::DeviceId, "Kandji ID", Some(Likeness::AnotherName))]
    #[case(SourceField::DeviceId, "ID", None)]
    #[case(SourceField::DeviceName, "Computer name", Some(Likeness::AnotherName))]
    #[case(SourceField::Model, "Model Year", Some(Likeness::Resemblance))]
    #[case(SourceField::Platform, "Warranty", None)]
    fn a_column_is_like_a_field(#[case] field: SourceField, #[case] column: &str, #[case] expected: Option<Likeness>) {
        assert_eq!(likeness(field, column), expected);
    }

    #[test]
    fn no_name_is_that_of_two_fields() {
        let mut seen = std::collections::HashMap::new();
        for field in SourceField::ALL {
            let own = words(field.display_name()).concat();
            for name in other_names(field).iter().map(|it| (*it).to_owned()).chain([own]) {
                assert!(!name.chars().any(|it| it.is_uppercase() || !it.is_alphanumeric()), "{name}");
                if let Some(other) = seen.insert(name.clone(), field) {
                    panic!("{name} is a name of {other} and of {field}");
                }
            }
        }
    }
}
