<?php
// A page of the site that says who is logged in.
add_action('init', function () {
    if ($_SERVER['REQUEST_URI'] === '/me') {
        $user = wp_get_current_user();
        wp_send_json(['phone' => get_user_meta($user->ID, 'phone', true)], $user->exists() ? 200 : 401);
    }
});
