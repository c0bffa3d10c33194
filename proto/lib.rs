//! The gRPC contract of Pandaport: messages, client and server, generated from `proto/`.
//!
//! The comments in the `.proto` files are the reference; start with `control_plane_service.proto`.

#![forbid(unsafe_code)]

pub mod reasons;
mod redacted;
#[cfg(test)]
mod reference;

/// Version 1 of the contract.
#[allow(missing_docs, clippy::all, rustdoc::all)]
pub mod v1 {
    tonic::include_proto!("pandaport.v1");
}

/// The compiled contract with its comments and the well-known types it imports, as an encoded
/// `google.protobuf.FileDescriptorSet`: what server reflection serves.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pandaport_descriptor.bin"));

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::FILE_DESCRIPTOR_SET;

    #[test]
    fn the_descriptor_set_is_whole_so_that_reflection_can_serve_it() {
        let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the build wrote a valid set").file;
        for file in &files {
            for import in &file.dependency {
                assert!(
                    files.iter().any(|it| it.name() == import),
                    "{} imports {import}, which is missing",
                    file.name()
                );
            }
        }
        let service = files
            .iter()
            .flat_map(|file| &file.service)
            .find(|service| service.name() == "ControlPlaneService")
            .expect("the service is in the set");
        assert!(service.method.iter().any(|it| it.name() == "TriggerSync"));
    }
}
