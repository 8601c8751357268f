<?php
// What an administrator does once: install WordPress, activate the page's plug-in, and note the phone number of a user.
$_SERVER['HTTP_HOST'] = parse_url($argv[1], PHP_URL_HOST) . ':' . parse_url($argv[1], PHP_URL_PORT);
define('WP_INSTALLING', true);
define('WP_SITEURL', $argv[1]);
require __DIR__ . '/wp-config.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
require_once ABSPATH . 'wp-admin/includes/plugin.php';
add_filter('pre_http_request', fn () => new WP_Error('offline', 'This machine is.'));
add_filter('pre_wp_mail', '__return_true');
wp_install('Shop', 'admin', 'admin@example.com', false, '', wp_generate_password());
$GLOBALS['wp_rewrite']->set_permalink_structure('/%postname%/');
flush_rewrite_rules();
$fault = activate_plugin('phone-login/phone-login.php');
$fault and exit($fault->get_error_message());
update_user_meta(wp_create_user('ann', wp_generate_password(), 'ann@example.com'), 'phone', '+14155552671');
echo "installed\n";
