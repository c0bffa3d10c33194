pub struct Crawl;
pub enum CrawlState {}
pub enum Taken {}
