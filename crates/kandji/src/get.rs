//! Everything that is ever asked of Kandji. There is no way here to say anything but GET.

use url::Url;

use crate::{KandjiHost, LARGEST_PAGE};

/// What the list of devices is filtered by (contract 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceMatch<'a> {
    /// By device id.
    DeviceId(&'a str),
    /// By serial number. Kandji matches a part of it, too.
    SerialNumber(&'a str),
}

/// Something to get.
pub(crate) enum Get<'a> {
    /// A page of devices, in a stable order (rule 2).
    Devices { offset: u64, limit: u32 },
    /// The devices that a filter of the list finds.
    Matching(DeviceMatch<'a>),
    /// The details of a device.
    Details { device_id: &'a str },
    /// A page of directory users.
    Users { cursor: Option<&'a str> },
}

impl Get<'_> {
    pub(crate) fn url(&self, host: &KandjiHost) -> Url {
        let mut url = host.api_url().clone();
        let mut path = vec!["api", "v1"];
        match self {
            Get::Devices { .. } | Get::Matching(_) => path.push("devices"),
            Get::Details { device_id } => path.extend(["devices", *device_id, "details"]),
            Get::Users { .. } => path.push("users"),
        }
        // Segments are escaped one by one, so that no id can lead to another path.
        url.path_segments_mut().expect("an https URL has a path").pop_if_empty().extend(path);
        let mut query = url.query_pairs_mut();
        match self {
            Get::Devices { offset, limit } => {
                query.append_pair("ordering", "device_id");
                query.append_pair("limit", &limit.to_string());
                query.append_pair("offset", &offset.to_string());
            }
            Get::Matching(filter) => {
                let (name, value) = match filter {
                    DeviceMatch::DeviceId(value) => ("device_id", value),
                    DeviceMatch::SerialNumber(value) => ("serial_number", value),
                };
                query.append_pair("ordering", "device_id");
                query.append_pair("limit", &LARGEST_PAGE.to_string());
                query.append_pair(name, value);
            }
            Get::Users { cursor } => {
                // The page size has no documented name; both are seen (contract 9.1).
                query.append_pair("limit", &LARGEST_PAGE.to_string());
                query.append_pair("sizePerPage", &LARGEST_PAGE.to_string());
                query.extend_pairs(cursor.map(|cursor| ("cursor", cursor)));
            }
            Get::Details { .. } => {}
        }
        drop(query);
        if url.query() == Some("") {
            url.set_query(None);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn url(get: Get<'_>) -> String {
        get.url(&KandjiHost::parse("acme", &Default::default()).unwrap()).to_string()
    }

    #[test]
    fn urls_are_the_documented_ones() {
        assert_eq!(
            url(Get::Devices { offset: 299, limit: 300 }),
            "https://acme.api.kandji.io/api/v1/devices?ordering=device_id&limit=300&offset=299"
        );
        assert_eq!(
            url(Get::Matching(DeviceMatch::DeviceId("a1"))),
            "https://acme.api.kandji.io/api/v1/devices?ordering=device_id&limit=300&device_id=a1"
        );
        assert_eq!(
            url(Get::Matching(DeviceMatch::SerialNumber("a&b"))),
            "https://acme.api.kandji.io/api/v1/devices?ordering=device_id&limit=300&serial_number=a%26b"
        );
        assert_eq!(url(Get::Details { device_id: "a1" }), "https://acme.api.kandji.io/api/v1/devices/a1/details");
        assert_eq!(
            url(Get::Users { cursor: None }),
            "https://acme.api.kandji.io/api/v1/users?limit=300&sizePerPage=300"
        );
        assert_eq!(
            url(Get::Users { cursor: Some("cD0&x==") }),
            "https://acme.api.kandji.io/api/v1/users?limit=300&sizePerPage=300&cursor=cD0%26x%3D%3D"
        );
    }

    #[test]
    fn an_id_cannot_lead_elsewhere() {
        let there = "https://acme.api.kandji.io/api/v1/devices/";
        assert_eq!(url(Get::Details { device_id: "../users?x=1#y" }), format!("{there}..%2Fusers%3Fx=1%23y/details"));
    }
}
