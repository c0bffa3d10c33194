//! The pages in `docs/` that are made from the contract: `api.md` from its comments, `errors.md` from the list of reasons.
//! They stand in the repository to be read there, and a test compares them. After a change:
//! `UPDATE_DOCS=1 cargo test -p pandaport-api reference`.

use std::fmt::Write as _;

use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto, field_descriptor_proto,
};

use super::FILE_DESCRIPTOR_SET;
use super::reasons::{Place, REASONS};

const MADE: &str = "<!-- Made from proto/ by proto/reference.rs: change the comments there, not this page. -->\n";
const PACKAGE: &str = ".pandaport.v1.";

// Where things stand in a FileDescriptorProto: the field numbers of descriptor.proto, which paths of comments are made of.
const MESSAGES: i32 = 4;
const ENUMS: i32 = 5;
const SERVICES: i32 = 6;
const FIELDS: i32 = 2;
const VALUES: i32 = 2;
const METHODS: i32 = 2;

/// The page of all calls and messages.
fn api() -> String {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the build wrote a valid set");
    let ours: Vec<&FileDescriptorProto> = set.file.iter().filter(|it| it.package() == "pandaport.v1").collect();
    let mut page = format!("{MADE}\n# The API\n\n");
    for file in &ours {
        for (at, service) in file.service.iter().enumerate() {
            page += &service_section(file, at, service);
        }
    }
    page += "# Messages\n\n";
    for file in &ours {
        for (at, message) in file.message_type.iter().enumerate() {
            page += &message_section(file, at, message);
        }
        for (at, values) in file.enum_type.iter().enumerate() {
            page += &enum_section(file, at, values);
        }
    }
    without_gaps(&page)
}

/// No more than one empty line at a time.
fn without_gaps(page: &str) -> String {
    let mut kept = String::with_capacity(page.len());
    for line in page.lines() {
        if !line.is_empty() || !kept.ends_with("\n\n") {
            kept += line;
            kept.push('\n');
        }
    }
    kept.trim_end().to_owned() + "\n"
}

fn service_section(file: &FileDescriptorProto, at: usize, service: &ServiceDescriptorProto) -> String {
    let here = [SERVICES, number(at)];
    let mut page = format!("Service `pandaport.v1.{}`.\n\n", service.name());
    page += &prose(&comment(file, &here));
    page += "# Calls\n\n| call | |\n|---|---|\n";
    for (nth, method) in service.method.iter().enumerate() {
        let text = comment(file, &[here[0], here[1], METHODS, number(nth)]);
        let first = text.split(". ").next().unwrap_or_default().replace('\n', " ");
        let _ = writeln!(page, "| {} | {} |", link(method.name()), cell(first.trim_end_matches('.')));
    }
    page.push('\n');
    for (nth, method) in service.method.iter().enumerate() {
        let _ = writeln!(page, "## {}\n", method.name());
        page += &prose(&comment(file, &[here[0], here[1], METHODS, number(nth)]));
        let stream = if method.server_streaming() { "a stream of " } else { "" };
        let _ = writeln!(page, "{} → {stream}{}\n", type_link(method.input_type()), type_link(method.output_type()));
    }
    page
}

fn message_section(file: &FileDescriptorProto, at: usize, message: &DescriptorProto) -> String {
    let here = [MESSAGES, number(at)];
    let mut page = format!("## {}\n\n", message.name());
    page += &prose(&comment(file, &here));
    if message.field.is_empty() {
        return page;
    }
    page += "| field | type | |\n|---|---|---|\n";
    for (nth, field) in message.field.iter().enumerate() {
        let text = comment(file, &[here[0], here[1], FIELDS, number(nth)]);
        let _ = writeln!(page, "| `{}` | {} | {} |", field.name(), field_type(field, message), cell(&text));
    }
    page.push('\n');
    page
}

fn enum_section(file: &FileDescriptorProto, at: usize, values: &EnumDescriptorProto) -> String {
    let here = [ENUMS, number(at)];
    let mut page = format!("## {}\n\n", values.name());
    page += &prose(&comment(file, &here));
    page += "| value | |\n|---|---|\n";
    for (nth, value) in values.value.iter().enumerate() {
        let text = comment(file, &[here[0], here[1], VALUES, number(nth)]);
        let _ = writeln!(page, "| `{}` | {} |", value.name(), cell(&text));
    }
    page.push('\n');
    page
}

/// The comment before what stands at this path, without the space that each of its lines begins with.
pub(super) fn comment(file: &FileDescriptorProto, path: &[i32]) -> String {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    let found = locations.into_iter().find(|it| it.path == path).map(|it| it.leading_comments());
    let lines = found.unwrap_or_default().lines().map(|line| line.strip_prefix(' ').unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// A comment as Markdown: what is indented keeps its form, and headings go below the page's own.
fn prose(comment: &str) -> String {
    let mut page = String::new();
    let mut is_code = false;
    for line in comment.lines() {
        let code = line.starts_with(' ') && !line.trim_start().starts_with("- ") && (is_code || !is_list_of(&page));
        if code != is_code {
            page += if code { "\n```text\n" } else { "```\n\n" };
            is_code = code;
        }
        if line.starts_with('#') {
            page.push('#');
        }
        let _ = writeln!(page, "{}", if is_code { line.strip_prefix(' ').unwrap_or(line) } else { line });
    }
    if is_code {
        page += "```\n";
    }
    page.push('\n');
    page
}

/// Whether the last line is an item of a list, which an indented line goes on with.
fn is_list_of(page: &str) -> bool {
    page.lines().last().is_some_and(|line| line.trim_start().starts_with("- "))
}

/// A comment in a cell of a table: one line.
fn cell(comment: &str) -> String {
    let mut text = String::new();
    for line in comment.lines() {
        // A list of words with what they mean keeps its lines.
        if !text.is_empty() {
            text += if line.starts_with(' ') { "<br>" } else { " " };
        }
        text += line.trim();
    }
    text.replace('|', "\\|")
}

fn field_type(field: &FieldDescriptorProto, message: &DescriptorProto) -> String {
    use field_descriptor_proto::{Label, Type};

    let name = match field.r#type() {
        Type::Message | Type::Enum => type_link(field.type_name()),
        other => other.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    };
    let group = field.oneof_index.filter(|_| !field.proto3_optional());
    let group = group.and_then(|at| message.oneof_decl.get(usize::try_from(at).ok()?));
    match (field.label(), group) {
        (Label::Repeated, _) => format!("list of {name}"),
        (_, Some(group)) => format!("{name}, one of `{}`", group.name()),
        _ if field.proto3_optional() => format!("optional {name}"),
        _ => name,
    }
}

fn type_link(name: &str) -> String {
    match name.strip_prefix(PACKAGE) {
        Some(own) => link(own),
        None => format!("`{}`", name.trim_start_matches('.')),
    }
}

fn link(name: &str) -> String {
    format!("[{name}](#{})", name.to_lowercase())
}

fn number(at: usize) -> i32 {
    i32::try_from(at).expect("a contract of ours is small")
}

/// The page of all reasons.
fn errors() -> String {
    let mut page = format!(
        "{}\n# Errors\n\n{}",
        MADE.replace("change the comments there", "change proto/reasons.rs"),
        "A call that is refused answers with a [status code](https://grpc.io/docs/guides/status-codes/) and details of \
         `google.rpc`:\n`ErrorInfo` with a `reason` and the domain `pandaport`, `BadRequest` with every field that is wrong, \
         and `RetryInfo` where\nwaiting helps. The same reasons say elsewhere why something is as it is: of checks, warnings, \
         syncs and devices.\n\nA reason never changes its meaning; new ones may come. Treat one that you do not know as you \
         treat its status code or state.\n\n\
         | code | when | repeat? |\n|---|---|---|\n"
    );
    for (code, when, repeat) in CODES {
        let _ = writeln!(page, "| {code} | {when} | {repeat} |");
    }
    page += "\n# Reasons\n\n| reason | where | cause | way out |\n|---|---|---|---|\n";
    for reason in REASONS {
        let places: Vec<String> = reason.places.iter().map(place).collect();
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            reason.name,
            places.join(", "),
            cell(reason.cause),
            cell(reason.way_out)
        );
    }
    page
}

fn place(place: &Place) -> String {
    match place {
        Place::Call(code) => return (*code).to_owned(),
        Place::Field => "a field",
        Place::Warning => "a warning",
        Place::Note => "a mapping's notes",
        Place::Check => "a check, a connection's state",
        Place::Sync => "a sync's error, an alert",
        Place::Wait => "a sync's wait",
        Place::Audit => "an audit event",
        Place::Record => "a record, a device",
    }
    .to_owned()
}

/// Every code that the service answers with.
const CODES: [(&str, &str, &str); 13] = [
    ("INVALID_ARGUMENT", "the request can never be right as it is", "no: correct what BadRequest names"),
    ("NOT_FOUND", "there is no such thing, or it is another tenant's", "no"),
    ("ALREADY_EXISTS", "something is in its place", "no"),
    ("FAILED_PRECONDITION", "the state does not allow it now", "once what the reason says has changed"),
    ("ABORTED", "it changed since it was read", "after reading it again"),
    (
        "UNAVAILABLE",
        "the database, Kandji or Asset Panda can't be reached, or the server is stopping",
        "yes, after RetryInfo",
    ),
    ("RESOURCE_EXHAUSTED", "no calls are left at an API, or this server has too much to do", "yes, after RetryInfo"),
    ("DEADLINE_EXCEEDED", "the caller's time was over", "yes, with the same request_id and more time"),
    ("OUT_OF_RANGE", "the request is larger than 2 MiB", "no"),
    ("UNIMPLEMENTED", "a field is set whose rule is not built yet, or there is no such call", "no"),
    ("UNAUTHENTICATED", "the caller can't be told who it is", "with good credentials"),
    ("PERMISSION_DENIED", "the caller's role does not allow it", "no"),
    ("INTERNAL", "a mistake in the server; its log says more", "no"),
];

mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    fn is_kept(file: &str, made: &str) {
        let path = root().join("docs").join(file);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, made).expect("the page can be written");
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        let line = kept.lines().zip(made.lines()).position(|(kept, made)| kept != made).map_or(0, |at| at + 1);
        assert!(
            kept == made,
            "docs/{file} is not what proto/ says, from line {line}: run UPDATE_DOCS=1 cargo test -p pandaport-api reference"
        );
    }

    #[test]
    fn the_page_of_the_api_is_what_the_contract_says() {
        is_kept("api.md", &api());
    }

    #[test]
    fn the_page_of_errors_is_what_the_list_of_reasons_says() {
        is_kept("errors.md", &errors());
    }

    #[test]
    fn everything_in_the_contract_has_a_comment() {
        let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the build wrote a valid set");
        for file in set.file.iter().filter(|it| it.package() == "pandaport.v1") {
            let has = |path: &[i32], name: &str| assert!(!comment(file, path).is_empty(), "{name} has no comment");
            for (at, message) in file.message_type.iter().enumerate() {
                has(&[MESSAGES, number(at)], message.name());
                for (nth, field) in message.field.iter().enumerate() {
                    let name = format!("{}.{}", message.name(), field.name());
                    has(&[MESSAGES, number(at), FIELDS, number(nth)], &name);
                }
            }
            for (at, values) in file.enum_type.iter().enumerate() {
                has(&[ENUMS, number(at)], values.name());
                for (nth, value) in values.value.iter().enumerate() {
                    has(&[ENUMS, number(at), VALUES, number(nth)], value.name());
                }
            }
            for (at, service) in file.service.iter().enumerate() {
                has(&[SERVICES, number(at)], service.name());
                for (nth, method) in service.method.iter().enumerate() {
                    has(&[SERVICES, number(at), METHODS, number(nth)], method.name());
                }
            }
        }
    }

    /// The reasons of the service's comment: the first word of the lines of its list.
    fn in_the_contract() -> BTreeSet<String> {
        let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the build wrote a valid set");
        let file = set.file.iter().find(|it| !it.service.is_empty()).expect("the service has a file");
        let comment = comment(file, &[SERVICES, 0]);
        let (_, list) = comment.split_once("# Reasons").expect("the comment lists the reasons");
        let first_words =
            list.lines().filter(|line| line.starts_with(' ')).filter_map(|it| it.split_whitespace().next());
        let mut reasons: BTreeSet<String> = first_words.filter(|it| looks_like_one(it)).map(str::to_owned).collect();
        let (_, waits) = list.split_once("For a waiting sync: ").expect("the reasons of a wait are listed");
        let waits = waits.split(|it: char| !it.is_ascii_uppercase() && it != '_').take_while(|it| *it != "S");
        reasons.extend(waits.filter(|it| looks_like_one(it)).map(str::to_owned));
        reasons
    }

    fn looks_like_one(word: &str) -> bool {
        word.len() > 3 && word.bytes().all(|it| it.is_ascii_uppercase() || it == b'_')
    }

    #[test]
    fn the_contract_and_the_list_name_the_same_reasons() {
        let listed: BTreeSet<String> = REASONS.iter().map(|it| it.name.to_owned()).collect();
        assert_eq!(listed.len(), REASONS.len(), "one is listed twice");
        assert_eq!(in_the_contract(), listed);
    }

    /// Words in capitals that the programs' sources have for other things than reasons, beside the values of the contract's
    /// enums and the names of settings.
    const OTHER_WORDS: [&str; 9] = [
        "BIGINT",
        "BOOLEAN",
        "BYTES",
        "TEXT",
        "SCREAMING_SNAKE_CASE",
        "FIELD_INVALID",
        "COLUMN_UNIQUENESS_UNKNOWN",
        "RECOVERED",
        "TEST",
    ];

    /// Every text in capitals between quotes of either kind (SQL has the other one), in the sources of the programs, tests left
    /// out.
    fn in_the_sources() -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for folder in [
            "services/control-plane",
            "services/worker",
            "crates/import",
            "crates/alerts",
            "crates/store",
            "crates/upstream",
        ] {
            let mut folders = vec![root().join(folder).join("src")];
            while let Some(folder) = folders.pop() {
                for entry in std::fs::read_dir(folder).expect("the sources are there") {
                    let path: PathBuf = entry.expect("the sources are there").path();
                    let name = path.file_stem().and_then(|it| it.to_str()).unwrap_or_default();
                    if name == "tests" {
                        continue;
                    }
                    if path.is_dir() {
                        folders.push(path);
                    } else if path.extension().is_some_and(|it| it == "rs") {
                        found.extend(quoted(&std::fs::read_to_string(path).expect("a source can be read")));
                    }
                }
            }
        }
        found
    }

    fn quoted(source: &str) -> Vec<String> {
        let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        source.split(['"', '\'']).skip(1).filter(|it| looks_like_one(it)).map(str::to_owned).collect()
    }

    #[test]
    fn no_program_gives_a_reason_that_is_not_listed_and_none_is_listed_that_no_program_gives() {
        let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the build wrote a valid set");
        let values: Vec<&str> =
            set.file.iter().flat_map(|file| &file.enum_type).flat_map(|it| &it.value).map(|it| it.name()).collect();
        // SYNC_STATE_FAILED is FAILED where it is stored.
        let is_value = |word: &str| values.iter().any(|it| it.ends_with(&format!("_{word}")) || *it == word);
        let is_setting = |word: &str| ["PANDAPORT_", "OTEL_", "RUST_", "CARGO_"].iter().any(|it| word.starts_with(it));
        let sources = in_the_sources();
        for word in &sources {
            let known = REASONS.iter().any(|it| it.name == word);
            assert!(
                known || is_value(word) || is_setting(word) || OTHER_WORDS.contains(&word.as_str()),
                "{word} stands in the sources: if it is a reason, list it in proto/reasons.rs"
            );
        }
        for reason in REASONS {
            assert!(sources.contains(reason.name), "no program gives {}", reason.name);
        }
    }
}
