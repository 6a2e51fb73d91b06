#!/usr/bin/perl
# Writes places.mmdb and systems.mmdb beside this file with MaxMind's own writer
# (Debian: libmaxmind-db-writer-perl). All networks are for documentation (RFC 5737, RFC 3849) or
# loopback, all numbers of autonomous systems too (RFC 5398); whatever is said of them is made up.
use strict;
use warnings;
use FindBin qw($Bin);
use MaxMind::DB::Writer::Tree;

my %types = (
    country    => 'map',
    iso_code   => 'utf8_string',
    location   => 'map',
    latitude   => 'double',
    longitude  => 'double',
    accuracy_radius => 'uint16',
    autonomous_system_number       => 'uint32',
    autonomous_system_organization => 'utf8_string',
);

sub write_database {
    my ($file, $type, $networks) = @_;
    my $tree = MaxMind::DB::Writer::Tree->new(
        database_type         => $type,
        description           => { en => 'Test data of Hanse: made up' },
        ip_version            => 6,
        record_size           => 24,
        map_key_type_callback => sub { $types{ $_[0] } },
        remove_reserved_networks => 0,
    );
    $tree->insert_network($_, $networks->{$_}) for sort keys %$networks;
    open my $out, '>:raw', "$Bin/$file" or die "$file: $!";
    $tree->write_tree($out);
    close $out or die "$file: $!";
}

sub place {
    my ($country, $latitude, $longitude) = @_;
    return {
        country  => { iso_code => $country },
        location => { latitude => $latitude, longitude => $longitude, accuracy_radius => 20 },
    };
}

write_database('places.mmdb', 'Test-City', {
    '192.0.2.0/25'     => place('DE', 53.55, 9.99),
    '198.51.100.0/24'  => place('NO', 60.39, 5.32),
    '2001:db8:1::/48'  => place('SE', 57.64, 18.29),
    '127.0.0.0/8'      => place('IS', 64.15, -21.94),
    '203.0.113.0/25'   => { country => { iso_code => 'NL' } },
    '203.0.113.128/25' => { location => { latitude => 99.0, longitude => 5.0, accuracy_radius => 1 } },
});
write_database('systems.mmdb', 'Test-ASN', {
    '192.0.2.0/24'    => { autonomous_system_number => 64496, autonomous_system_organization => 'One' },
    '127.0.0.0/8'     => { autonomous_system_number => 64500, autonomous_system_organization => 'Own' },
    '2001:db8::/32'   => { autonomous_system_number => 64511, autonomous_system_organization => 'Two' },
});
