use proptest::prelude::*;

use super::*;

const TWO_TABLES: &str = "#datatype,string,long,dateTime:RFC3339,double\r\n,result,table,_time,_value\r\n\
    ,_result,0,2026-11-21T20:04:40Z,1\r\n,_result,0,2026-11-21T20:04:50Z,2\r\n\r\n\
    #datatype,string,long,string\r\n,result,table,n\r\n,_result,1,\"a,\"\"b\"\"\"\r\n\r\n";

/// Rows as `name=value …`, read in chunks of some size.
fn rows(text: &str, chunk: usize) -> Result<Vec<String>, CsvError> {
    let mut reader = CsvReader::new();
    let mut rows = Vec::new();
    let mut each = |header: &Header, record: Record<'_>| {
        let mut row = String::new();
        for (n, name) in header.names().iter().enumerate() {
            row.push_str(&format!("{name}={} ", record.column(n)?));
        }
        rows.push(row);
        Ok(())
    };
    for chunk in text.as_bytes().chunks(chunk) {
        reader.read(chunk, &mut each)?;
    }
    reader.finish(&mut each)?;
    Ok(rows)
}

#[test]
fn reads_tables_with_their_own_columns_however_they_come() {
    for chunk in [1, 2, 3, 7, 10_000] {
        let expected =
            ["_time=2026-11-21T20:04:40Z _value=1 ", "_time=2026-11-21T20:04:50Z _value=2 ", "n=a,\"b\" "];
        assert_eq!(rows(TWO_TABLES, chunk).expect("tables"), expected, "{chunk}");
    }
    assert_eq!(rows("\r\n", 1).expect("no tables"), [""; 0]);
    assert_eq!(rows("", 1).expect("no tables"), [""; 0]);
}

#[test]
fn notices_where_an_answer_breaks_off() {
    for end in 3..TWO_TABLES.len() {
        // Between two tables it looks complete: such a cut shows only by the protocol beneath.
        let is_between = TWO_TABLES[..end].ends_with("\r\n\r\n");
        assert_eq!(rows(&TWO_TABLES[..end], 5).is_err(), !is_between, "{:?}", &TWO_TABLES[..end]);
    }
}

#[test]
fn tells_what_the_server_says_in_an_error_table() {
    let failure =
        format!("{TWO_TABLES}#datatype,string,string\r\n,error,reference\r\n,out of memory,897\r\n");
    assert_eq!(rows(&failure, 9), Err(CsvError::Failed("out of memory".to_owned())));
    assert!(rows("<html>hello</html>\r\n", 9).is_err());
    assert!(rows("#datatype,long\r\n,x\r\n", 9).is_err());
}

#[test]
fn reads_times() {
    let millis = |text: &str| millis(text.as_bytes());
    assert_eq!(millis("1970-01-01T00:00:00Z"), Some(0));
    assert_eq!(millis("2026-11-21T20:04:40Z"), Some(1_795_291_480_000));
    assert_eq!(millis("2024-02-29T23:59:59.5Z"), Some(1_709_251_199_500));
    assert_eq!(millis("1969-12-31T23:59:59.999000001Z"), Some(-1));
    for text in ["", "2026-11-21", "2026-11-21T20:04:40", "2026-11-21T20:04:40+01:00", "x026-11-21T20:04:40Z"]
    {
        assert_eq!(millis(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn nothing_is_a_panic(text in "(#datatype|,|\r\n|\"|a|result|error|\\PC){0,40}", chunk in 1usize..9) {
        let _ = rows(&text, chunk);
        let _ = millis(text.as_bytes());
    }
}
