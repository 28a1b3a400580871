//! Files and the text that they travel with.

use super::outgoing::outgoing;
use super::{Body, Incoming, append_links};
use crate::model::BodyFormat;

/// The text of a message that is nothing but files: their names, each on a line. Deskie needs one.
pub fn names_of_files(names: &[&str]) -> Body {
    outgoing(&names.join("\n"), BodyFormat::Text)
}

/// Adds files as links, `name: url`, where Deskie does not take them.
pub fn with_links(body: Body, links: &[(String, String)]) -> Body {
    let mut all = Incoming {
        text: body.text,
        html: body.html,
    };
    append_links(&mut all, links);
    Body {
        text: all.text,
        html: all.html,
    }
}

/// A file as either side tells of it: its name, and its size where that is known.
pub type Told<'a> = (&'a str, Option<u64>);

/// True where the files of a message in Deskie may be those that we sent: each has the name or the size of one of ours.
/// Deskie may have lost some, and may write names its own way; it adds none.
pub fn same_files(ours: &[Told<'_>], theirs: &[Told<'_>]) -> bool {
    paired(ours, theirs).1.is_empty()
}

/// Which of our files a message in Deskie lacks, by their places. It may tell of more under other names: then `Err` holds
/// those of which nobody can say.
pub fn lost_files(ours: &[Told<'_>], theirs: &[Told<'_>]) -> Result<Vec<usize>, Vec<usize>> {
    let (unmatched, left) = paired(ours, theirs);
    match left.len() {
        0 => Ok(unmatched),
        others if others >= unmatched.len() => Ok(Vec::new()),
        _ => Err(unmatched),
    }
}

/// The places of ours and of theirs that have no partner. A telephone calls all its pictures alike, so what is equal in
/// both is paired first.
fn paired(ours: &[Told<'_>], theirs: &[Told<'_>]) -> (Vec<usize>, Vec<usize>) {
    let same_name = |(our, _): &Told<'_>, (their, _): &Told<'_>| plain(our) == plain(their);
    let same_size = |(_, our): &Told<'_>, (_, their): &Told<'_>| our.is_some() && our == their;
    // By name and size, by size alone, by name alone.
    let ways = [(true, true), (false, true), (true, false)];
    let mut unmatched: Vec<usize> = (0..ours.len()).collect();
    let mut left: Vec<usize> = (0..theirs.len()).collect();
    for (by_name, by_size) in ways {
        let alike = |our: &Told<'_>, their: &Told<'_>| {
            (!by_name || same_name(our, their)) && (!by_size || same_size(our, their))
        };
        left.retain(|their| {
            let of = |our: &usize| ours.get(*our).zip(theirs.get(*their));
            let partner = unmatched
                .iter()
                .position(|our| of(our).is_some_and(|(our, their)| alike(our, their)));
            partner.map(|place| unmatched.remove(place)).is_none()
        });
    }
    (unmatched, left)
}

fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn links_stand_below_the_text() {
        let links = [("a <b>".to_owned(), "https://cdn.example/a?x=1&y".to_owned())];
        let body = with_links(names_of_files(&["a <b>"]), &links);
        assert_eq!(body.text, "a <b>\n\na <b>: https://cdn.example/a?x=1&y");
        assert!(
            body.html.contains("href=\"https://cdn.example/a?x=1&amp;y\""),
            "{}",
            body.html
        );
        assert_eq!(with_links(body.clone(), &[]), body);
    }

    #[test]
    fn files_are_told_by_name_or_size() {
        let ours = [("şema 1.png", Some(5)), ("b.txt", None)];
        assert!(same_files(&ours, &[("Şema_1.PNG", None), ("b.txt", Some(9))]));
        assert!(
            same_files(&ours, &[("sema-1.png", Some(5))]),
            "renamed, and one lost"
        );
        assert!(same_files(&ours, &[]));
        assert!(!same_files(&ours, &[("c.txt", Some(7))]));
        assert!(
            !same_files(&[], &[("c.txt", Some(7))]),
            "a mail with a file is not ours"
        );
        assert!(
            !same_files(&ours, &[("b.txt", None), ("b.txt", None)]),
            "each stands for one"
        );
    }

    #[test]
    fn a_lost_file_is_told_by_what_is_there() {
        let ours = [("şema 1.png", Some(5)), ("b.txt", None), ("c.txt", Some(7))];
        assert_eq!(lost_files(&ours, &[]), Ok(vec![0, 1, 2]));
        assert_eq!(
            lost_files(&ours, &[("c.txt", None), ("sema-1.png", Some(5))]),
            Ok(vec![1])
        );
        assert_eq!(lost_files(&ours, &ours), Ok(vec![]));
        assert_eq!(
            lost_files(&ours, &[("x1", None), ("x2", None), ("x3", None)]),
            Ok(vec![]),
            "renamed, and all there"
        );
        assert_eq!(
            lost_files(&ours, &[("c.txt", None), ("x", None)]),
            Err(vec![0, 1]),
            "one of two"
        );
        let alike = [
            ("image.jpg", Some(5)),
            ("image.jpg", Some(9)),
            ("image.jpg", Some(7)),
        ];
        assert_eq!(
            lost_files(&alike, &[("image.jpg", Some(7)), ("image.jpg", Some(9))]),
            Ok(vec![0]),
            "which of those that are called alike"
        );
        assert!(
            same_files(&alike, &[("image.jpg", None), ("z", Some(5))]),
            "the size of one, the name of another"
        );
    }

    proptest! {
        #[test]
        fn what_was_sent_is_known_again_in_any_order(sizes in proptest::collection::vec(0u64..4, 0..6)) {
            let names: Vec<String> = sizes.iter().enumerate().map(|(n, _)| format!("file {n}.bin")).collect();
            let ours: Vec<Told<'_>> = names.iter().zip(&sizes).map(|(name, size)| (name.as_str(), Some(*size))).collect();
            let theirs: Vec<Told<'_>> = ours.iter().rev().map(|(name, _)| (*name, None)).collect();
            prop_assert!(same_files(&ours, &theirs));
        }
    }
}
