use pandaport_sandbox::Faults;

#[test]
fn every_switch_is_in_the_page_for_users() {
    let page = include_str!("../../../../docs/sandbox.md");
    for path in Faults::paths() {
        let name = path.rsplit('.').next().unwrap();
        assert!(page.contains(&format!("`{name}`")), "docs/sandbox.md says nothing of {path}");
    }
}
